(** A function that passes midpoints, and is bounded below on a piece of its
    interval, is affine. Then 1: a continuous one is bounded on [0, 1]. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz.
Require Import Statements Batch. Open Scope R_scope.

Lemma power_beats (B : R) : exists n, B < 2 ^ n.
Proof.
  destruct (Pow_x_infinity 2) with (b := Rabs B + 1) as [n Hn].
  - rewrite Rabs_right; lra.
  - exists n. specialize (Hn n (le_n n)). rewrite Rabs_right in Hn by (apply Rle_ge, pow_le; lra).
    pose proof (Rle_abs B). lra. Qed.

Section Affine.
Variables (V : R -> Prop) (g : R -> R) (p q B : R).
Hypothesis V_interval : interval V.
Hypothesis Vp : V p.
Hypothesis Vq : V q.
Hypothesis p_lt_q : p < q.
Hypothesis midpoint : forall u v, V u -> V v -> g ((u + v) / 2) = (g u + g v) / 2.
Hypothesis bounded : forall z, p <= z <= q -> B <= g z.

Let line z := g p + (g q - g p) / (q - p) * (z - p).
Let k z := g z - line z.
Let c := (p + q) / 2.

Lemma V_piece (z : R) : p <= z <= q -> V z.
Proof. intros H; exact (V_interval p q z Vp Vq H). Qed.

Lemma k_midpoint (u v : R) : V u -> V v -> k ((u + v) / 2) = (k u + k v) / 2.
Proof. intros Hu Hv; unfold k, line; rewrite midpoint by assumption; field; lra. Qed.
Lemma k_p : k p = 0.
Proof. unfold k, line; ring. Qed.
Lemma k_q : k q = 0.
Proof. unfold k, line; field; lra. Qed.
Lemma k_c : k c = 0.
Proof. unfold c; rewrite k_midpoint by assumption; rewrite k_p, k_q; field. Qed.

(** Twice as far from the nearer end, k doubles. *)
Lemma k_doubles (n : nat) (z : R) : p <= z <= q -> exists y, p <= y <= q /\ k y = 2 ^ n * k z.
Proof.
  intros Hz; induction n as [|n [y [Hy E]]].
  - exists z; split; [exact Hz | simpl; ring].
  - destruct (Rle_lt_dec y c) as [H|H]; unfold c in H.
    + exists (2 * y - p). split; [lra|].
      pose proof (k_midpoint p (2 * y - p) Vp (V_piece (2 * y - p) ltac:(lra))) as M.
      replace ((p + (2 * y - p)) / 2) with y in M by field. rewrite k_p, E in M. simpl. lra.
    + exists (2 * y - q). split; [lra|].
      pose proof (k_midpoint q (2 * y - q) Vq (V_piece (2 * y - q) ltac:(lra))) as M.
      replace ((q + (2 * y - q)) / 2) with y in M by field. rewrite k_q, E in M. simpl. lra. Qed.

Lemma line_bounded (z : R) : p <= z <= q -> line z <= Rmax (g p) (g q).
Proof.
  intros Hz. unfold line. set (s := (z - p) / (q - p)). assert (S : 0 <= s <= 1).
  { unfold s; split; [apply Rdiv_le_0_compat; lra|]. apply Rmult_le_reg_r with (q - p); [lra|].
    unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra. }
  replace (g p + (g q - g p) / (q - p) * (z - p)) with ((1 - s) * g p + s * g q)
    by (unfold s; field; lra).
  pose proof (Rmax_l (g p) (g q)); pose proof (Rmax_r (g p) (g q)). nra. Qed.

Lemma k_nonneg (z : R) : p <= z <= q -> 0 <= k z.
Proof.
  intros Hz. destruct (Rle_lt_dec 0 (k z)) as [H|H]; [exact H|exfalso].
  set (M := Rmax (g p) (g q) - B). destruct (power_beats (M / - k z)) as [n Hn].
  destruct (k_doubles n z Hz) as [y [Hy E]]. assert (- M <= k y).
  { unfold k, M. pose proof (bounded y Hy). pose proof (line_bounded y Hy). lra. }
  apply (Rmult_lt_compat_r (- k z)) in Hn; [|lra].
  replace (M / - k z * - k z) with M in Hn by (field; lra). rewrite E in *. lra. Qed.

Lemma k_zero_inside (z : R) : p <= z <= q -> k z = 0.
Proof.
  intros Hz. pose proof (k_nonneg z Hz). pose proof (k_nonneg (p + q - z) ltac:(lra)).
  pose proof (k_midpoint z (p + q - z) (V_piece z Hz) (V_piece (p + q - z) ltac:(lra))) as M.
  replace ((z + (p + q - z)) / 2) with c in M by (unfold c; field). rewrite k_c in M. lra. Qed.

(** Halving the way to the middle ends in the piece; k halves each time. *)
Lemma k_zero (n : nat) (z : R) : V z -> Rabs (z - c) <= (q - c) * 2 ^ n -> k z = 0.
Proof.
  revert z; induction n as [|n IH]; intros z Hz H.
  - apply k_zero_inside. simpl in H. apply Rabs_le_between in H. unfold c in *. lra.
  - assert (Vc : V c) by (apply V_piece; unfold c; lra). assert (Vm : V ((z + c) / 2)).
    { destruct (Rle_lt_dec z c); [apply (V_interval z c) | apply (V_interval c z)]; auto; lra. }
    pose proof (k_midpoint z c Hz Vc) as M. rewrite k_c in M. rewrite (IH _ Vm) in M; [lra|].
    replace ((z + c) / 2 - c) with ((z - c) / 2) by field.
    unfold Rdiv. rewrite Rabs_mult, (Rabs_right (/ 2)) by lra. simpl in H. lra. Qed.

Lemma affine_on_V (z : R) : V z -> g z = line z.
Proof.
  intros Hz. destruct (power_beats (Rabs (z - c) / (q - c))) as [n Hn].
  assert (k z = 0) as K; [|unfold k in K; lra]. apply (k_zero n); [exact Hz|].
  apply (Rmult_lt_compat_r (q - c)) in Hn; [|unfold c; lra].
  unfold Rdiv in Hn; rewrite Rmult_assoc, Rinv_l in Hn; unfold c in *; lra. Qed.
End Affine.

Lemma midpoint_of_two (f : R -> R) :
  (forall n x, (0 < n)%nat -> E n (fun i => f (x i)) = f (E n x)) ->
  forall u v, f ((u + v) / 2) = (f u + f v) / 2.
Proof.
  intros H u v. specialize (H 2%nat (fun i => match i with O => u | _ => v end) ltac:(lia)).
  unfold E in H; simpl in H. replace (0 + u + v) with (u + v) in H by ring.
  replace (0 + f u + f v) with (f u + f v) in H by ring. symmetry; exact H. Qed.

Theorem means_pass_through_holds : means_pass_through.
Proof.
  intros f C. split.
  - intros H. destruct (continuity_ab_min f 0 1) as [y [Hy _]]; [lra| |].
    { intros t _. apply continuity_pt_filterlim, C. }
    exists ((f 1 - f 0) / (1 - 0)), (f 0). intros t.
    rewrite (affine_on_V (fun _ => True) f 0 1 (f y)); auto.
    + ring.
    + intros a b u _ _ _; exact Logic.I.
    + lra.
    + intros u v _ _. apply midpoint_of_two, H.
  - intros [c [d H]] n x Hn. rewrite H, (E_ext n _ (fun i => c * x i + d)) by (intros; apply H).
    rewrite E_plus, E_scal, E_const by exact Hn. reflexivity. Qed.
