(** 0 and 7: gradients in several parameters, and the chain rule. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz FunctionalExtensionality.
Require Import Statements Batch Slopes. Open Scope R_scope.

Lemma size_pos (p : nat) (h : vector) : 0 <= size p h.
Proof. apply total_pos; intros; apply Rabs_pos. Qed.

Lemma dot_bound (p : nat) (a h : vector) : Rabs (dot p a h) <= size p a * size p h.
Proof.
  unfold dot. eapply Rle_trans; [apply total_Rabs|].
  unfold size at 1. rewrite <- total_scal_r. apply total_le; intros j Hj.
  rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|].
  apply (total_term p j (fun j => Rabs (h j))); [exact Hj|]. intros; apply Rabs_pos. Qed.

(** The n differences of one step h are small together. *)
Lemma gradients_together (n p : nat) (f : nat -> vector -> R) (x : vector) (G : nat -> vector) :
  (forall i, (i < n)%nat -> gradient p (f i) x (G i)) ->
  forall eps, 0 < eps -> exists r, 0 < r /\ forall h, size p h < r -> forall i, (i < n)%nat ->
  Rabs (f i (fun j => x j + h j) - f i x - dot p (G i) h) <= eps * size p h.
Proof.
  induction n as [|n IH]; intros H eps He.
  - exists 1; split; [lra|]. intros; lia.
  - destruct (IH (fun i Hi => H i ltac:(lia)) eps He) as [r1 [P1 H1]].
    destruct (H n ltac:(lia) eps He) as [r2 [P2 H2]].
    exists (Rmin r1 r2); split; [apply Rmin_glb_lt; assumption|].
    intros h Hh i Hi. pose proof (Rmin_l r1 r2); pose proof (Rmin_r r1 r2).
    destruct (Nat.eq_dec i n) as [->|Hn]; [apply H2; lra|]. apply H1; [lra | lia]. Qed.

Lemma chain_rule (n p : nat) (L : vector -> R) (f : nat -> vector -> R) (x w : vector)
    (G : nat -> vector) :
  gradient n L (fun i => f i x) w -> (forall i, (i < n)%nat -> gradient p (f i) x (G i)) ->
  gradient p (fun y => L (fun i => f i y)) x (fun j => total n (fun i => w i * G i j)).
Proof.
  intros HL Hf eps He. set (A := total n (fun i => size p (G i)) + INR n). set (B := size n w).
  assert (PA : 0 <= A).
  { unfold A; apply Rplus_le_le_0_compat; [|apply pos_INR].
    apply total_pos; intros; apply size_pos. }
  assert (PB : 0 <= B) by apply size_pos.
  set (e1 := eps / (2 * (A + 1))). set (e2 := Rmin 1 (eps / (2 * (B + 1)))).
  assert (P1 : 0 < e1) by (unfold e1; apply Rdiv_lt_0_compat; lra). assert (P2 : 0 < e2).
  { unfold e2; apply Rmin_glb_lt; [lra|]. apply Rdiv_lt_0_compat; lra. }
  destruct (HL e1 P1) as [r1 [Q1 H1]].
  destruct (gradients_together n p f x G Hf e2 P2) as [r2 [Q2 H2]].
  exists (Rmin r2 (r1 / (A + 1))); split.
  { apply Rmin_glb_lt; [exact Q2|]. apply Rdiv_lt_0_compat; lra. }
  intros h Hh. assert (Hr2 : size p h < r2) by (pose proof (Rmin_l r2 (r1 / (A + 1))); lra).
  assert (Hr1 : size p h * (A + 1) < r1).
  { pose proof (Rmin_r r2 (r1 / (A + 1))). replace r1 with (r1 / (A + 1) * (A + 1)) by (field; lra).
    apply Rmult_lt_compat_r; lra. }
  pose proof (size_pos p h) as Ph. set (k := fun i => f i (fun j => x j + h j) - f i x).
  assert (Hk : size n k <= A * size p h).
  { unfold A. rewrite Rmult_plus_distr_r, <- total_scal_r, <- total_const, <- total_plus.
    apply total_le; intros i Hi. specialize (H2 h Hr2 i Hi). fold (k i) in H2.
    pose proof (dot_bound p (G i) h).
    replace (k i) with ((k i - dot p (G i) h) + dot p (G i) h) by ring.
    eapply Rle_trans; [apply Rabs_triang|]. assert (e2 <= 1) by apply Rmin_l. nra. }
  assert (Hs : size n k < r1) by nra. specialize (H1 k Hs).
  replace (fun i => f i x + k i) with (fun i => f i (fun j => x j + h j)) in H1
    by (apply functional_extensionality; intros i; unfold k; ring).
  assert (Hd : Rabs (dot n w k - dot p (fun j => total n (fun i => w i * G i j)) h)
    <= e2 * B * size p h).
  { replace (dot p (fun j => total n (fun i => w i * G i j)) h)
      with (total n (fun i => w i * dot p (G i) h)).
    2:{ unfold dot.
        rewrite (total_ext n _ (fun i => total p (fun j => w i * (G i j * h j))))
          by (intros; symmetry; apply total_scal).
        rewrite total_swap. apply total_ext; intros j _.
        rewrite <- total_scal_r. apply total_ext; intros; ring. }
    unfold dot at 1. rewrite <- total_minus. eapply Rle_trans; [apply total_Rabs|].
    replace (e2 * B * size p h) with (B * (e2 * size p h)) by ring.
    unfold B, size at 1. rewrite <- total_scal_r. apply total_le; intros i Hi.
    replace (w i * k i - w i * dot p (G i) h) with (w i * (k i - dot p (G i) h)) by ring.
    rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|]. apply H2; assumption. }
  assert (E1 : e1 * A <= eps / 2).
  { unfold e1. apply Rmult_le_reg_r with (2 * (A + 1)); [lra|].
    replace (eps / (2 * (A + 1)) * A * (2 * (A + 1))) with (eps * A) by (field; lra). nra. }
  assert (E2 : e2 * B <= eps / 2).
  { assert (e2 <= eps / (2 * (B + 1))) as F by apply Rmin_r.
    apply Rle_trans with (eps / (2 * (B + 1)) * B); [apply Rmult_le_compat_r; lra|].
    apply Rmult_le_reg_r with (2 * (B + 1)); [lra|].
    replace (eps / (2 * (B + 1)) * B * (2 * (B + 1))) with (eps * B) by (field; lra). nra. }
  set (T := dot p (fun j => total n (fun i => w i * G i j)) h) in *.
  replace (L (fun i => f i (fun j => x j + h j)) - L (fun i => f i x) - T)
    with ((L (fun i => f i (fun j => x j + h j)) - L (fun i => f i x) - dot n w k)
      + (dot n w k - T)) by ring.
  eapply Rle_trans; [apply Rabs_triang|]. assert (e1 * size n k <= e1 * A * size p h) by nra. nra.
Qed.

(** One parameter: the gradient is the derivative. *)
Lemma gradient_of_derive (f : R -> R) (x : vector) (s : R) :
  is_derive f (x 0%nat) s -> gradient 1 (fun y => f (y 0%nat)) x (fun _ => s).
Proof.
  intros H eps He. apply slope_is_derive in H. destruct (H eps He) as [r [Pr Hr]].
  exists r; split; [exact Pr|]. intros h Hh. unfold size, dot in *; simpl in *.
  rewrite !Rplus_0_l in *. specialize (Hr (x 0%nat + h 0%nat) Logic.I).
  replace (x 0%nat + h 0%nat - x 0%nat) with (h 0%nat) in Hr by ring. exact (Hr Hh). Qed.

Lemma derive_of_gradient (f : vector -> R) (c : R -> vector) (t s : R) :
  gradient 1 (fun y => f (c (y 0%nat))) (fun _ => t) (fun _ => s) ->
  is_derive (fun u => f (c u)) t s.
Proof.
  intros H. apply slope_is_derive. intros eps He. destruct (H eps He) as [r [Pr Hr]].
  exists r; split; [exact Pr|]. intros u _ Hu. specialize (Hr (fun _ => u - t)).
  unfold size, dot in Hr; simpl in Hr. rewrite !Rplus_0_l in Hr.
  replace (t + (u - t)) with u in Hr by ring. exact (Hr Hu). Qed.

(** The derivative along a curve. *)
Lemma gradient_along (n : nat) (L : vector -> R) (c : R -> vector) (w c' : vector) (t : R) :
  gradient n L (c t) w -> (forall i, (i < n)%nat -> is_derive (fun u => c u i) t (c' i)) ->
  is_derive (fun u => L (c u)) t (dot n w c').
Proof.
  intros HL Hc. apply derive_of_gradient.
  pose proof (chain_rule n 1 L (fun i y => c (y 0%nat) i) (fun _ => t) w (fun i _ => c' i)) as C.
  apply C; [exact HL|].
  intros i Hi. apply (gradient_of_derive (fun u => c u i) (fun _ => t)), Hc, Hi. Qed.

Theorem tap_holds : tap.
Proof.
  intros n p L loss x w G HL Hf. split; [apply chain_rule; assumption|]. intros i Hi.
  set (c := fun (eps : R) k => loss k x + (if Nat.eqb k i then eps else 0)). evar_last.
  - apply (gradient_along n L c w (fun k => if Nat.eqb k i then 1 else 0) 0).
    + replace (c 0) with (fun k => loss k x); [exact HL|].
      apply functional_extensionality; intros k; unfold c. destruct (Nat.eqb k i); ring.
    + intros k _. unfold c. destruct (Nat.eqb k i); auto_derive; trivial; ring.
  - unfold dot. rewrite (total_ext n _ (fun k => if Nat.eqb k i then w k else 0))
      by (intros k _; destruct (Nat.eqb k i); ring).
    apply total_single, Hi. Qed.

(** The mean is the function whose tap reads 1 / N everywhere. *)
Theorem gradient_of_mean_holds : gradient_of_mean.
Proof.
  intros N p loss x G H.
  replace (fun j => E N (fun i => G i j)) with (fun j => total N (fun i => / INR N * G i j)).
  2:{ apply functional_extensionality; intros j. unfold E.
      rewrite total_scal. unfold Rdiv; ring. }
  apply (chain_rule N p (fun l => E N l)); [|exact H].
  intros eps He. exists 1; split; [lra|]. intros h _.
  replace (E N (fun j => loss j x + h j) - E N (fun i => loss i x) - dot N (fun _ => / INR N) h)
    with 0; [rewrite Rabs_R0; pose proof (size_pos N h); nra|].
  rewrite E_plus. unfold dot. rewrite total_scal. unfold E, Rdiv. ring. Qed.
