(** 3: one g for every data set is affine. No continuity of g is assumed. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz Classical FunctionalExtensionality.
Require Import Statements Batch Midpoints Slopes. Open Scope R_scope.

Lemma slope_unique (I : R -> Prop) (f : R -> R) (t u s q : R) :
  interval I -> I t -> I u -> t <> u -> slope I f t s -> slope I f t q -> s = q.
Proof.
  intros HI It Iu tu Hs Hq.
  pose proof (slope_plus I f (fun w => - f w) t s (- q) Hs (slope_opp I f t q Hq)) as Z.
  assert (s + - q = 0); [|lra]. apply (flat_slope I (fun w => f w + - f w) t u); auto. intros; ring.
Qed.

Lemma slope_mult (I : R -> Prop) (f h : R -> R) (t s q : R) :
  slope I f t s -> slope I h t q -> slope I (fun u => f u * h u) t (s * h t + f t * q).
Proof.
  intros Hf Hh eps He. set (A := Rabs (h t) + 1). set (B := Rabs s + 1). set (C := Rabs (f t) + 1).
  pose proof (Rabs_pos (h t)) as Nh; pose proof (Rabs_pos s) as Ns; pose proof (Rabs_pos (f t)) as Nf.
  assert (PA : 0 < A) by (unfold A; lra). assert (PB : 0 < B) by (unfold B; lra).
  assert (PC : 0 < C) by (unfold C; lra).
  destruct (Hf (eps / (3 * A))) as [r1 [P1 H1]]; [apply Rdiv_lt_0_compat; lra|].
  destruct (Hh (eps / (3 * C))) as [r2 [P2 H2]]; [apply Rdiv_lt_0_compat; lra|].
  destruct (slope_continuous I h t q (Rmin 1 (eps / (3 * B))) Hh) as [r3 [P3 H3]].
  { apply Rmin_glb_lt; [lra | apply Rdiv_lt_0_compat; lra]. }
  exists (Rmin r1 (Rmin r2 r3)); split; [repeat apply Rmin_glb_lt; assumption|]. intros u Iu Hu.
  pose proof (Rmin_l r1 (Rmin r2 r3)) as M1; pose proof (Rmin_r r1 (Rmin r2 r3)) as M2.
  pose proof (Rmin_l r2 r3) as M3; pose proof (Rmin_r r2 r3) as M4.
  specialize (H1 u Iu ltac:(lra)); specialize (H2 u Iu ltac:(lra)); specialize (H3 u Iu ltac:(lra)).
  pose proof (Rmin_l 1 (eps / (3 * B))); pose proof (Rmin_r 1 (eps / (3 * B))).
  set (X := Rabs (u - t)) in *. assert (PX : 0 <= X) by apply Rabs_pos.
  replace (f u * h u - f t * h t - (s * h t + f t * q) * (u - t))
    with ((f u - f t - s * (u - t)) * h u + s * (u - t) * (h u - h t)
      + f t * (h u - h t - q * (u - t))) by ring.
  assert (Hu' : Rabs (h u) <= A).
  { replace (h u) with ((h u - h t) + h t) by ring.
    eapply Rle_trans; [apply Rabs_triang|]. unfold A; lra. }
  assert (T1 : Rabs ((f u - f t - s * (u - t)) * h u) <= eps / 3 * X).
  { rewrite Rabs_mult. apply Rle_trans with (eps / (3 * A) * X * A).
    - apply Rmult_le_compat; try apply Rabs_pos; assumption.
    - right; field; lra. }
  assert (T2 : Rabs (s * (u - t) * (h u - h t)) <= eps / 3 * X).
  { rewrite !Rabs_mult. fold X. apply Rle_trans with (B * X * (eps / (3 * B))).
    - apply Rmult_le_compat; try apply Rabs_pos; try lra.
      + apply Rmult_le_pos; lra.
      + apply Rmult_le_compat_r; unfold B; lra.
    - right; field; lra. }
  assert (T3 : Rabs (f t * (h u - h t - q * (u - t))) <= eps / 3 * X).
  { rewrite Rabs_mult. apply Rle_trans with (C * (eps / (3 * C) * X)).
    - apply Rmult_le_compat; try apply Rabs_pos; try assumption; unfold C; lra.
    - right; field; lra. }
  eapply Rle_trans; [apply Rabs_triang|].
  eapply Rle_trans; [apply Rplus_le_compat_r, Rabs_triang|]. lra. Qed.

(** A level that J never takes would be crossed one way only: J is between. *)
Lemma taken (I : R -> Prop) (J J' : R -> R) (a b v : R) :
  interval I -> (forall t, I t -> slope I J t (J' t)) ->
  I a -> I b -> J a <= v <= J b -> exists c, I c /\ J c = v.
Proof.
  intros HI HJ Ia Ib H. destruct (classic (exists c, I c /\ J c = v)) as [C|N]; [exact C|exfalso].
  assert (F : forall t, I t -> J t = v -> False) by (intros t It E; apply N; exists t; auto).
  assert (J a <> v) by (intros E; exact (F a Ia E)).
  destruct (Rtotal_order a b) as [L|[->|L]]; [| lra |].
  - pose proof (one_way I J J' v HI HJ ltac:(intros t It E; destruct (F t It E)) a b Ia Ib L). lra.
  - pose proof (one_way_up I J J' v HI HJ ltac:(intros t It E; destruct (F t It E)) b a Ib Ia L). lra.
Qed.

(** What holds around each point if it holds there, holds on the interval. *)
Lemma everywhere (I P : R -> Prop) : interval I ->
  (forall t, I t -> exists r, 0 < r /\ forall u, I u -> Rabs (u - t) < r -> (P u <-> P t)) ->
  forall t u, I t -> I u -> P t -> P u.
Proof.
  intros HI HP t u It Iu Pt. set (Q := fun w x => x = 0 \/ (P w /\ x = 1)).
  set (J := fun w => real (Lub_Rbar (Q w))). assert (E : J t = J u).
  { apply (flat I J HI); [|exact It | exact Iu]. clear t u It Iu Pt.
    intros t It eps He. destruct (HP t It) as [r [Pr Hr]].
    exists r; split; [exact Pr|]. intros u Iu Hu. specialize (Hr u Iu Hu).
    unfold J. rewrite (Lub_Rbar_eqset (Q u) (Q t)) by (intros x; unfold Q; tauto).
    replace (_ - _ - _) with 0 by ring. rewrite Rabs_R0.
    apply Rmult_le_pos; [lra | apply Rabs_pos]. }
  destruct (classic (P u)) as [Y|N]; [exact Y|exfalso]. assert (J t = 1).
  { unfold J. rewrite (is_lub_Rbar_unique _ (Finite 1)); [reflexivity|]. split.
    - intros x [->|[_ ->]]; simpl; lra.
    - intros b Hb. apply Hb. right; auto. }
  assert (J u = 0).
  { unfold J. rewrite (is_lub_Rbar_unique _ (Finite 0)); [reflexivity|]. split.
    - intros x [->|[Y _]]; [simpl; lra | destruct (N Y)].
    - intros b Hb. apply Hb. left; reflexivity. }
  lra. Qed.

(** At one t: g is affine on an interval V if it is bounded on a piece of it. *)
Section OneTime.
Variables (V : R -> Prop) (g : R -> R).
Hypothesis V_interval : interval V.
Hypothesis midpoint : forall u v, V u -> V v -> g ((u + v) / 2) = (g u + g v) / 2.

Definition affine_on : Prop := exists a b, forall z, V z -> g z = a * z + b.

Lemma bounded_below (p q : R) :
  V p -> V q -> p < q -> (forall z, p <= z <= q -> 0 <= g z) -> affine_on.
Proof.
  intros Vp Vq pq H. exists ((g q - g p) / (q - p)), (g p - (g q - g p) / (q - p) * p). intros z Vz.
  rewrite (affine_on_V V g p q 0 V_interval Vp Vq pq midpoint H z Vz). ring. Qed.
End OneTime.

Lemma bounded_above (V : R -> Prop) (g : R -> R) (p q : R) :
  interval V -> (forall u v, V u -> V v -> g ((u + v) / 2) = (g u + g v) / 2) ->
  V p -> V q -> p < q -> (forall z, p <= z <= q -> g z <= 0) -> affine_on V g.
Proof.
  intros HV M Vp Vq pq H.
  destruct (bounded_below V (fun z => - g z) HV) with (p := p) (q := q) as [a [b A]]; auto.
  - intros u v Vu Vv. rewrite M by assumption. field.
  - intros z Hz. specialize (H z Hz). lra.
  - exists (- a), (- b). intros z Vz. specialize (A z Vz). lra. Qed.

(** Zero inside an interval, g is zero on all of it. *)
Lemma zero_inside (V : R -> Prop) (g : R -> R) (p q : R) :
  interval V -> (forall u v, V u -> V v -> g ((u + v) / 2) = (g u + g v) / 2) ->
  V p -> V q -> p < q -> (forall x y z, V x -> V y -> x < z < y -> g z = 0) -> affine_on V g.
Proof.
  intros HV M Vp Vq pq Z. exists 0, 0. intros z Vz. assert (O : exists w, V w /\ w <> z).
  { destruct (Req_dec p z); [exists q | exists p]; split; auto; lra. }
  destruct O as [w [Vw N]]. assert (G1 : g ((z + w) / 2) = 0).
  { destruct (Rtotal_order z w) as [L|[E|L]]; [apply (Z z w) | lra | apply (Z w z)]; auto; lra. }
  assert (Vm : V ((z + w) / 2)).
  { destruct (Rle_lt_dec z w); [apply (HV z w) | apply (HV w z)]; auto; lra. }
  assert (G2 : g ((z + (z + w) / 2) / 2) = 0).
  { destruct (Rtotal_order z w) as [L|[E|L]]; [apply (Z z w) | lra | apply (Z w z)]; auto; lra. }
  rewrite M in G2 by assumption. lra. Qed.

Section OneRule.
Variables (I : R -> Prop) (D : Type) (loss : D -> R -> R) (g : R -> R).
Hypothesis I_interval : interval I.
Hypothesis two_points : exists t u, I t /\ I u /\ t <> u.
Hypothesis g_serves : forall d e t, I t ->
  slope I (fun u => (loss d u + loss e u) / 2) t (g ((loss d t + loss e t) / 2)).
Hypothesis losses_fill : fills I D loss.

Let V t z := exists d, loss d t = z.

Lemma another (t : R) : exists u, I u /\ t <> u.
Proof.
  destruct two_points as [p [q [Ip [Iq N]]]].
  destruct (Req_dec t p) as [->|H]; [exists q | exists p]; auto. Qed.

Lemma loss_slope (d : D) (t : R) : I t -> slope I (loss d) t (g (loss d t)).
Proof.
  intros It. pose proof (g_serves d d t It) as S.
  replace ((loss d t + loss d t) / 2) with (loss d t) in S by field.
  replace (fun u => (loss d u + loss d u) / 2) with (loss d) in S; [exact S|].
  apply functional_extensionality; intros u; field. Qed.

Lemma V_midpoint (t : R) : I t -> forall u v, V t u -> V t v -> g ((u + v) / 2) = (g u + g v) / 2.
Proof.
  intros It u v [d <-] [e <-]. destruct (another t) as [w [Iw N]].
  apply (slope_unique I (fun u => (loss d u + loss e u) / 2) t w); auto.
  pose proof (slope_plus I (loss d) (loss e) t _ _ (loss_slope d t It) (loss_slope e t It)) as S.
  pose proof (slope_mult I (fun _ => / 2) _ t 0 _ (slope_of_derive I _ t 0 (is_derive_const (/ 2) t)) S) as P.
  simpl in P.
  replace (fun u => (loss d u + loss e u) / 2) with (fun u => / 2 * (loss d u + loss e u))
    by (apply functional_extensionality; intros; field).
  replace ((g (loss d t) + g (loss e t)) / 2)
    with (0 * (loss d t + loss e t) + / 2 * (g (loss d t) + g (loss e t))) by field.
  exact P. Qed.

(** Where a loss moves, it moves along a piece of V on which g has one sign. *)
Lemma moves (d : D) (t : R) : I t -> g (loss d t) <> 0 -> exists u, I u /\ loss d u <> loss d t.
Proof.
  intros It N. destruct (classic (exists u, I u /\ loss d u <> loss d t)) as [Y|F]; [exact Y|].
  destruct N. destruct (another t) as [w [Iw tw]].
  apply (flat_slope I (loss d) t w); auto; [apply loss_slope, It|].
  intros u Iu _. destruct (Req_dec (loss d u) (loss d t)) as [E|E]; [exact E|].
  destruct F; exists u; auto. Qed.

Lemma piece (d : D) (t x y : R) : I t -> g (loss d t) <> 0 -> V t x -> V t y -> x < loss d t < y ->
  exists p q, V t p /\ V t q /\ p < q /\ forall z, p <= z <= q -> exists u, I u /\ loss d u = z.
Proof.
  intros It N Vx Vy H. destruct (moves d t It N) as [u [Iu F]].
  destruct (losses_fill t It) as [HV _]. fold (V t) in HV.
  assert (Vd : V t (loss d t)) by (exists d; reflexivity).
  assert (S : forall w, I w -> slope I (loss d) w (g (loss d w))) by (intros; apply loss_slope; auto).
  destruct (Rle_lt_dec (loss d t) (loss d u)) as [L|L].
  - exists (loss d t), (Rmin y (loss d u)).
    pose proof (Rmin_l y (loss d u)); pose proof (Rmin_r y (loss d u)).
    assert (loss d t < Rmin y (loss d u)) by (apply Rmin_glb_lt; lra). repeat split; auto.
    + apply (HV (loss d t) y); auto; lra.
    + intros z Hz. apply (taken I (loss d) _ t u z I_interval S It Iu). lra.
  - exists (Rmax x (loss d u)), (loss d t).
    pose proof (Rmax_l x (loss d u)); pose proof (Rmax_r x (loss d u)).
    assert (Rmax x (loss d u) < loss d t) by (apply Rmax_lub_lt; lra). repeat split; auto.
    + apply (HV x (loss d t)); auto; lra.
    + intros z Hz. apply (taken I (loss d) _ u t z I_interval S Iu It). lra. Qed.

Lemma V_affine (t : R) : I t -> affine_on (V t) g.
Proof.
  intros It. destruct (losses_fill t It) as [HV [d0 [e0 Hde]]]. fold (V t) in HV.
  pose proof (V_midpoint t It) as M. assert (Two : exists p q, V t p /\ V t q /\ p < q).
  { destruct (Rlt_le_dec (loss d0 t) (loss e0 t));
      [exists (loss d0 t), (loss e0 t) | exists (loss e0 t), (loss d0 t)];
      (split; [eexists; reflexivity|]; split; [eexists; reflexivity|]; lra). }
  destruct Two as [p0 [q0 [Vp0 [Vq0 pq0]]]].
  destruct (classic (exists x y z, V t x /\ V t y /\ x < z < y /\ g z <> 0))
    as [[x [y [z [Vx [Vy [Hz N]]]]]]|Z].
  - assert (Vz : V t z) by (apply (HV x y); auto; lra). destruct Vz as [d <-].
    destruct (piece d t x y It N Vx Vy Hz) as [p [q [Vp [Vq [pq T]]]]].
    destruct (monotone_of_rule I (loss d) (fun w => g (loss d w)) g I_interval
      (fun w Iw => loss_slope d w Iw) (fun _ _ => eq_refl)) as [S|S].
    + apply (bounded_below (V t) g HV M p q Vp Vq pq).
      intros z Hz'. destruct (T z Hz') as [u [Iu <-]]. apply S, Iu.
    + apply (bounded_above (V t) g p q HV M Vp Vq pq).
      intros z Hz'. destruct (T z Hz') as [u [Iu <-]]. apply S, Iu.
  - apply (zero_inside (V t) g p0 q0 HV M Vp0 Vq0 pq0).
    intros x y z Vx Vy Hz. destruct (Req_dec (g z) 0) as [E|N]; [exact E|].
    destruct Z; exists x, y, z; auto. Qed.

(** Neighbouring V share a piece, so their lines agree. *)
Lemma neighbours (t : R) : I t -> exists r, 0 < r /\ forall u, I u -> Rabs (u - t) < r ->
  exists x y, x <> y /\ V t x /\ V t y /\ V u x /\ V u y.
Proof.
  intros It. destruct (losses_fill t It) as [HV [d0 [e0 N]]].
  assert (O : exists d e, loss d t < loss e t).
  { destruct (Rlt_le_dec (loss d0 t) (loss e0 t)); [exists d0, e0 | exists e0, d0]; lra. }
  destruct O as [d [e L]]. set (k := (loss e t - loss d t) / 3).
  destruct (slope_continuous I (loss d) t _ k (loss_slope d t It)) as [r1 [P1 H1]]; [unfold k; lra|].
  destruct (slope_continuous I (loss e) t _ k (loss_slope e t It)) as [r2 [P2 H2]]; [unfold k; lra|].
  exists (Rmin r1 r2); split; [apply Rmin_glb_lt; assumption|]. intros u Iu Hu.
  pose proof (Rmin_l r1 r2) as M1; pose proof (Rmin_r r1 r2) as M2.
  specialize (H1 u Iu ltac:(lra)); specialize (H2 u Iu ltac:(lra)).
  apply Rabs_lt_between in H1; apply Rabs_lt_between in H2. destruct (losses_fill u Iu) as [HU _].
  assert (In : forall w z, interval (V w) -> loss d w <= z <= loss e w -> V w z).
  { intros w z Hw Hz. apply (Hw (loss d w) (loss e w)); [exists d | exists e |]; auto. }
  exists (loss d t + k), (loss e t - k).
  repeat split; try (apply In; [assumption|]); unfold k in *; lra. Qed.

Lemma one_line : exists a b, forall t, I t -> forall z, V t z -> g z = a * z + b.
Proof.
  destruct two_points as [t0 [_ [It0 _]]].
  destruct (V_affine t0 It0) as [a [b A]]. exists a, b. intros t It.
  apply (everywhere I (fun t => forall z, V t z -> g z = a * z + b) I_interval) with (t := t0); auto.
  assert (Share : forall t u x y, I u -> x <> y -> V t x -> V t y -> V u x -> V u y ->
    (forall z, V t z -> g z = a * z + b) -> forall z, V u z -> g z = a * z + b).
  { intros t1 u x y Iu xy Tx Ty Ux Uy H z Uz. destruct (V_affine u Iu) as [a' [b' A']].
    pose proof (H x Tx); pose proof (H y Ty); pose proof (A' x Ux); pose proof (A' y Uy).
    assert (Za : (a - a') * (x - y) = 0) by lra. apply Rmult_integral in Za. rewrite (A' z Uz).
    assert (a = a') by lra. subst a'. lra. }
  clear t It. intros t It. destruct (neighbours t It) as [r [Pr Hr]].
  exists r; split; [exact Pr|]. intros u Iu Hu.
  destruct (Hr u Iu Hu) as [x [y [xy [Tx [Ty [Ux Uy]]]]]].
  split; [apply (Share u t x y) | apply (Share t u x y)]; assumption. Qed.
End OneRule.

Lemma solve_exponential (I : R -> Prop) (l : R -> R) (a b : R) :
  interval I -> a <> 0 -> (forall t, I t -> slope I l t (a * l t + b)) ->
  exists C, forall t, I t -> l t = C * exp (a * t) - b / a.
Proof.
  intros HI Ha H. destruct (classic (exists t, I t)) as [[t0 It0]|N].
  2:{ exists 0; intros t It; destruct N; exists t; exact It. }
  set (K := fun t => (l t + b / a) * exp (- a * t)). assert (Flat : forall t, I t -> slope I K t 0).
  { intros t It. unfold K.
    replace 0 with ((a * l t + b + 0) * exp (- a * t) + (l t + b / a) * (- a * exp (- a * t)))
      by (field; exact Ha).
    apply (slope_mult I (fun t => l t + b / a) (fun t => exp (- a * t))).
    - apply (slope_plus I l (fun _ => b / a)); [apply H, It|].
      apply slope_of_derive. apply @is_derive_const.
    - apply slope_of_derive. auto_derive; trivial; ring. }
  exists (K t0). intros t It. rewrite (flat I K HI Flat t0 t It0 It). unfold K.
  rewrite Rmult_assoc, <- exp_plus. replace (- a * t + a * t) with 0 by ring. rewrite exp_0. ring.
Qed.

Lemma solve_linear (I : R -> Prop) (l : R -> R) (b : R) :
  interval I -> (forall t, I t -> slope I l t b) -> exists C, forall t, I t -> l t = b * t + C.
Proof.
  intros HI H. destruct (classic (exists t, I t)) as [[t0 It0]|N].
  2:{ exists 0; intros t It; destruct N; exists t; exact It. }
  assert (Flat : forall t, I t -> slope I (fun t => l t + - b * t) t 0).
  { intros t It. replace 0 with (b + - b) by ring.
    apply slope_plus; [apply H, It | apply slope_linear]. }
  exists (l t0 + - b * t0). intros t It.
  pose proof (flat I _ HI Flat t0 t It0 It) as E. simpl in E. lra. Qed.

(** Batches of two, written out. *)
Lemma pairs (I : R -> Prop) (D : Type) (loss : D -> R -> R) (g : R -> R) :
  serves 2 I D loss g -> forall d e t, I t ->
  slope I (fun u => (loss d u + loss e u) / 2) t (g ((loss d t + loss e t) / 2)).
Proof.
  intros S d e t It. specialize (S (fun i => match i with O => d | _ => e end) t It).
  assert (Two : forall u, E 2 (fun i => loss (match i with O => d | _ => e end) u) = (loss d u + loss e u) / 2)
    by (intros u; unfold E; simpl; field).
  rewrite Two in S. replace (fun u => (loss d u + loss e u) / 2)
    with (fun u => E 2 (fun i => loss (match i with O => d | _ => e end) u))
    by (apply functional_extensionality; exact Two).
  exact S. Qed.

Theorem one_rule_holds : one_rule.
Proof.
  intros I D loss g HI Two H2 Hl. pose proof (pairs I D loss g H2) as Hg.
  destruct (one_line I D loss g HI Two Hg Hl) as [a [b A]]. exists a, b. intros d.
  assert (Ad : forall t, I t -> g (loss d t) = a * loss d t + b).
  { intros t It. apply (A t It). exists d; reflexivity. }
  split; [exact Ad|]. assert (S : forall t, I t -> slope I (loss d) t (a * loss d t + b)).
  { intros t It. rewrite <- Ad by exact It. apply (loss_slope I D loss g Hg d t It). }
  destruct (Req_dec a 0) as [->|N].
  - destruct (solve_linear I (loss d) b HI) as [C HC].
    { intros t It. specialize (S t It). replace (0 * loss d t + b) with b in S by ring. exact S. }
    exists C. intros t It. split; [lra|]. intros _; apply HC, It.
  - destruct (solve_exponential I (loss d) a b HI N S) as [C HC].
    exists C. intros t It. split; [intros _; apply HC, It | lra]. Qed.

(** If each loss has the slope a z + b at the height z, so has every mean. *)
Lemma serves_all (I : R -> Prop) (D : Type) (loss : D -> R -> R) (a b : R) :
  (forall d t, is_derive (loss d) t (a * loss d t + b)) ->
  forall n, (0 < n)%nat -> serves n I D loss (fun z => a * z + b).
Proof.
  intros H n Hn x t _. apply slope_of_derive.
  replace (a * E n (fun i => loss (x i) t) + b) with (E n (fun i => a * loss (x i) t + b))
    by (rewrite E_plus, E_scal, E_const by exact Hn; reflexivity).
  apply E_derive. intros i _. apply H. Qed.

Theorem one_rule_exists_holds : one_rule_exists.
Proof.
  intros I a b. destruct (Req_dec a 0) as [->|N].
  - exists (fun C t => b * t + C). split.
    + intros t _. split.
      * intros x y z _ _ _. exists (z - b * t). ring.
      * exists 0, 1. lra.
    + apply serves_all. intros C t. auto_derive; trivial; ring.
  - exists (fun C t => C * exp (a * t) - b / a). split.
    + intros t _. pose proof (exp_pos (a * t)) as P. split.
      * intros x y z _ _ _. exists ((z + b / a) / exp (a * t)). field. split; [exact N | lra].
      * exists 0, 1. lra.
    + apply serves_all. intros C t. auto_derive; trivial; field; exact N. Qed.
