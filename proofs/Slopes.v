(** 2, one parameter: J' = g(J) on an interval if and only if J is monotone. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz Classical.
Require Import Statements Batch. Open Scope R_scope.

Lemma slope_plus (I : R -> Prop) (f g : R -> R) (t a b : R) :
  slope I f t a -> slope I g t b -> slope I (fun u => f u + g u) t (a + b).
Proof.
  intros Hf Hg eps He. destruct (Hf (eps / 2) ltac:(lra)) as [r [Pr Hr]].
  destruct (Hg (eps / 2) ltac:(lra)) as [q [Pq Hq]].
  exists (Rmin r q); split; [apply Rmin_glb_lt; assumption|]. intros u Iu Hu.
  pose proof (Rmin_l r q); pose proof (Rmin_r r q).
  specialize (Hr u Iu ltac:(lra)); specialize (Hq u Iu ltac:(lra)).
  replace (f u + g u - (f t + g t) - (a + b) * (u - t))
    with ((f u - f t - a * (u - t)) + (g u - g t - b * (u - t))) by ring.
  eapply Rle_trans; [apply Rabs_triang|]. lra. Qed.

Lemma slope_opp (I : R -> Prop) (f : R -> R) (t a : R) :
  slope I f t a -> slope I (fun u => - f u) t (- a).
Proof.
  intros Hf eps He. destruct (Hf eps He) as [r [Pr Hr]].
  exists r; split; [exact Pr|]. intros u Iu Hu.
  replace (- f u - - f t - - a * (u - t)) with (- (f u - f t - a * (u - t))) by ring.
  rewrite Rabs_Ropp; apply Hr; assumption. Qed.

Lemma slope_linear (I : R -> Prop) (c t : R) : slope I (fun u => c * u) t c.
Proof.
  intros eps He. exists 1; split; [lra|]. intros u _ _.
  replace (c * u - c * t - c * (u - t)) with 0 by ring.
  rewrite Rabs_R0. apply Rmult_le_pos; [lra | apply Rabs_pos]. Qed.

Lemma slope_of_derive (I : R -> Prop) (f : R -> R) (t s : R) : is_derive f t s -> slope I f t s.
Proof.
  intros H eps He. apply is_derive_Reals in H. destruct (H eps He) as [[r Pr] Hr]; simpl in Hr.
  exists r; split; [exact Pr|]. intros u _ Hu. destruct (Req_dec u t) as [->|Z].
  - replace (f t - f t - s * (t - t)) with 0 by ring. rewrite Rabs_R0.
    apply Rmult_le_pos; [lra | apply Rabs_pos].
  - specialize (Hr (u - t) ltac:(lra) Hu). replace (t + (u - t)) with u in Hr by ring.
    replace (f u - f t - s * (u - t)) with (((f u - f t) / (u - t) - s) * (u - t)) by (field; lra).
    rewrite Rabs_mult. apply Rmult_le_compat_r; [apply Rabs_pos | lra]. Qed.

(** On all of R the slope is the derivative. *)
Lemma slope_is_derive (f : R -> R) (t s : R) : slope (fun _ => True) f t s <-> is_derive f t s.
Proof.
  split; [intros H | apply slope_of_derive]. apply is_derive_Reals. intros eps He.
  destruct (H (eps / 2) ltac:(lra)) as [r [Pr Hr]]. exists (mkposreal r Pr). intros h Z Hh; simpl in Hh.
  specialize (Hr (t + h) Logic.I). replace (t + h - t) with h in Hr by ring. specialize (Hr Hh).
  assert (0 < Rabs h) by (apply Rabs_pos_lt; exact Z).
  apply Rmult_lt_reg_r with (Rabs h); [assumption|]. rewrite <- Rabs_mult.
  replace (((f (t + h) - f t) / h - s) * h) with (f (t + h) - f t - s * h) by (field; exact Z). nra.
Qed.

Lemma slope_continuous (I : R -> Prop) (f : R -> R) (t s eps : R) : slope I f t s -> 0 < eps ->
  exists r, 0 < r /\ forall u, I u -> Rabs (u - t) < r -> Rabs (f u - f t) < eps.
Proof.
  intros H He. destruct (H 1 ltac:(lra)) as [r [Pr Hr]]. pose proof (Rabs_pos s) as S.
  exists (Rmin r (eps / (Rabs s + 2))); split.
  { apply Rmin_glb_lt; [exact Pr|]. apply Rdiv_lt_0_compat; lra. }
  intros u Iu Hu.
  pose proof (Rmin_l r (eps / (Rabs s + 2))); pose proof (Rmin_r r (eps / (Rabs s + 2))).
  specialize (Hr u Iu ltac:(lra)).
  replace (f u - f t) with ((f u - f t - s * (u - t)) + s * (u - t)) by ring.
  eapply Rle_lt_trans; [apply Rabs_triang|]. rewrite (Rabs_mult s).
  assert (Rabs (u - t) * (Rabs s + 2) < eps).
  { replace eps with (eps / (Rabs s + 2) * (Rabs s + 2)) by (field; lra).
    apply Rmult_lt_compat_r; lra. }
  pose proof (Rabs_pos (u - t)). nra. Qed.

(** The one-way lemma: a level that J only crosses downwards is crossed once. *)
Section OneWay.
Variables (I : R -> Prop) (J J' : R -> R) (v : R).
Hypothesis I_interval : interval I.
Hypothesis J_slope : forall t, I t -> slope I J t (J' t).
Hypothesis falls : forall t, I t -> J t = v -> J' t < 0.

Lemma below_after (t : R) :
  I t -> J t <= v -> exists r, 0 < r /\ forall u, I u -> t < u < t + r -> J u < v.
Proof.
  intros It H. destruct (Req_dec (J t) v) as [E|N].
  - pose proof (falls t It E) as F. destruct (J_slope t It (- J' t / 2) ltac:(lra)) as [r [Pr Hr]].
    exists r; split; [exact Pr|]. intros u Iu Hu.
    assert (A : Rabs (u - t) = u - t) by (apply Rabs_right; lra).
    specialize (Hr u Iu ltac:(rewrite A; lra)). rewrite A in Hr. apply Rabs_le_between in Hr. nra.
  - destruct (slope_continuous I J t (J' t) (v - J t) (J_slope t It) ltac:(lra)) as [r [Pr Hr]].
    exists r; split; [exact Pr|]. intros u Iu Hu.
    specialize (Hr u Iu ltac:(apply Rabs_lt_between; lra)). apply Rabs_lt_between in Hr. lra. Qed.

Lemma above_before (t : R) :
  I t -> v <= J t -> exists r, 0 < r /\ forall u, I u -> t - r < u < t -> v < J u.
Proof.
  intros It H. destruct (Req_dec (J t) v) as [E|N].
  - pose proof (falls t It E) as F. destruct (J_slope t It (- J' t / 2) ltac:(lra)) as [r [Pr Hr]].
    exists r; split; [exact Pr|]. intros u Iu Hu.
    assert (A : Rabs (u - t) = t - u) by (rewrite Rabs_left; lra).
    specialize (Hr u Iu ltac:(rewrite A; lra)). rewrite A in Hr. apply Rabs_le_between in Hr. nra.
  - destruct (slope_continuous I J t (J' t) (J t - v) (J_slope t It) ltac:(lra)) as [r [Pr Hr]].
    exists r; split; [exact Pr|]. intros u Iu Hu.
    specialize (Hr u Iu ltac:(apply Rabs_lt_between; lra)). apply Rabs_lt_between in Hr. lra. Qed.

Lemma one_way (a b : R) : I a -> I b -> a < b -> J a <= v -> J b < v.
Proof.
  intros Ia Ib ab Ja. set (below := fun x => a <= x <= b /\ forall y, a < y <= x -> J y < v).
  destruct (completeness below) as [s [Up Least]].
  { exists b; intros x [Hx _]; lra. }
  { exists a; split; [lra|]. intros; lra. }
  assert (Sa : a <= s) by (apply Up; split; [lra | intros; lra]).
  assert (Sb : s <= b) by (apply Least; intros x [Hx _]; lra).
  assert (Is : I s) by (apply (I_interval a b); auto).
  assert (Before : forall y, a < y < s -> J y < v).
  { intros y Hy. destruct (classic (J y < v)) as [L|N]; [exact L|exfalso].
    assert (s <= y); [apply Least|lra].
    intros x [Hx Below]. destruct (Rle_lt_dec x y) as [L|L]; [exact L|].
    destruct (N (Below y ltac:(lra))). }
  assert (At : a < s -> J s < v).
  { intros H. destruct (Rlt_le_dec (J s) v) as [L|N]; [exact L|exfalso].
    destruct (above_before s Is N) as [r [Pr Hr]]. set (y := (Rmax a (s - r) + s) / 2).
    pose proof (Rmax_l a (s - r)); pose proof (Rmax_r a (s - r)).
    assert (Rmax a (s - r) < s) by (apply Rmax_lub_lt; lra).
    assert (Hy : a < y < s) by (unfold y; lra). specialize (Before y Hy).
    specialize (Hr y (I_interval a b y Ia Ib ltac:(lra)) ltac:(unfold y in *; lra)). lra. }
  destruct (Rle_lt_or_eq_dec s b Sb) as [L| ->]; [exfalso|apply At; exact ab].
  assert (Js : J s <= v).
  { destruct (Rle_lt_or_eq_dec a s Sa) as [H|H]; [apply Rlt_le, At, H | rewrite <- H; exact Ja]. }
  destruct (below_after s Is Js) as [r [Pr Hr]]. set (y := Rmin b (s + r / 2)).
  pose proof (Rmin_l b (s + r / 2)); pose proof (Rmin_r b (s + r / 2)).
  assert (s < y) by (unfold y; apply Rmin_glb_lt; lra).
  assert (y <= s); [apply Up|lra]. fold y in H, H0.
  split; [lra|]. intros u Hu. destruct (Rle_lt_dec u s) as [K|K].
  - destruct (Rle_lt_or_eq_dec u s K) as [K'| ->]; [apply Before; lra | apply At; lra].
  - apply Hr; [apply (I_interval a b); auto; lra | lra]. Qed.
End OneWay.

Lemma one_way_up (I : R -> Prop) (J J' : R -> R) (v : R) :
  interval I -> (forall t, I t -> slope I J t (J' t)) -> (forall t, I t -> J t = v -> 0 < J' t) ->
  forall a b, I a -> I b -> a < b -> v <= J a -> v < J b.
Proof.
  intros HI HJ H a b Ia Ib ab Ja. apply Ropp_lt_cancel.
  apply (one_way I (fun t => - J t) (fun t => - J' t) (- v)) with (a := a); auto; try lra.
  - intros t It; apply slope_opp, HJ, It.
  - intros t It E. specialize (H t It ltac:(lra)). lra. Qed.

Lemma never_falls (I : R -> Prop) (J J' : R -> R) :
  interval I -> (forall t, I t -> slope I J t (J' t)) ->
  (forall t, I t -> 0 <= J' t) -> forall a b, I a -> I b -> a <= b -> J a <= J b.
Proof.
  intros HI HJ H a b Ia Ib ab. destruct (Rle_lt_or_eq_dec a b ab) as [L| ->]; [|lra].
  destruct (Rle_lt_dec (J a) (J b)) as [K|K]; [exact K|exfalso]. set (e := (J a - J b) / (b - a)).
  assert (Pe : 0 < e) by (unfold e; apply Rdiv_lt_0_compat; lra).
  pose proof (one_way_up I (fun t => J t + e * t) (fun t => J' t + e) (J a + e * a) HI) as O.
  specialize (O ltac:(intros t It; apply slope_plus; [apply HJ, It | apply slope_linear])).
  specialize (O ltac:(intros t It _; specialize (H t It); lra) a b Ia Ib L ltac:(lra)).
  simpl in O. assert (e * (b - a) = J a - J b) by (unfold e; field; lra). lra. Qed.

Lemma never_rises (I : R -> Prop) (J J' : R -> R) :
  interval I -> (forall t, I t -> slope I J t (J' t)) ->
  (forall t, I t -> J' t <= 0) -> forall a b, I a -> I b -> a <= b -> J b <= J a.
Proof.
  intros HI HJ H a b Ia Ib ab. apply Ropp_le_cancel.
  apply (never_falls I (fun t => - J t) (fun t => - J' t)); auto.
  - intros t It; apply slope_opp, HJ, It.
  - intros t It; specialize (H t It); lra. Qed.

Lemma flat (I : R -> Prop) (J : R -> R) :
  interval I -> (forall t, I t -> slope I J t 0) -> forall t u, I t -> I u -> J t = J u.
Proof.
  intros HI HJ t u It Iu. pose proof (never_falls I J (fun _ => 0) HI HJ ltac:(intros; lra)) as F.
  pose proof (never_rises I J (fun _ => 0) HI HJ ltac:(intros; lra)) as S.
  destruct (Rle_lt_dec t u).
  - apply Rle_antisym; [apply F | apply S]; assumption.
  - apply Rle_antisym; [apply S | apply F]; auto; lra. Qed.

(** With J' = g(J), two slopes of opposite signs contradict each other. *)
Lemma one_sign (I : R -> Prop) (J J' g : R -> R) :
  interval I -> (forall t, I t -> slope I J t (J' t)) -> (forall t, I t -> J' t = g (J t)) ->
  forall t u, I t -> I u -> 0 < J' t -> J' u < 0 -> False.
Proof.
  intros HI HJ Hg t u It Iu Pt Nu. pose proof (one_way_up I J J' (J t) HI HJ) as Up.
  specialize (Up ltac:(intros w Iw E; rewrite Hg, E, <- Hg by assumption; exact Pt)).
  pose proof (one_way I J J' (J u) HI HJ) as Down.
  specialize (Down ltac:(intros w Iw E; rewrite Hg, E, <- Hg by assumption; exact Nu)).
  destruct (Rtotal_order t u) as [L|[->|L]]; [| lra |].
  - pose proof (Up t u It Iu L ltac:(lra)). pose proof (Down t u It Iu L ltac:(lra)). lra.
  - pose proof (Down u t Iu It L ltac:(lra)). pose proof (Up u t Iu It L ltac:(lra)). lra. Qed.

Lemma monotone_of_rule (I : R -> Prop) (J J' g : R -> R) :
  interval I -> (forall t, I t -> slope I J t (J' t)) -> (forall t, I t -> J' t = g (J t)) ->
  (forall t, I t -> 0 <= J' t) \/ (forall t, I t -> J' t <= 0).
Proof.
  intros HI HJ Hg. destruct (classic (exists t, I t /\ 0 < J' t)) as [[t [It Pt]]|N].
  - left. intros u Iu. destruct (Rle_lt_dec 0 (J' u)) as [L|L]; [exact L|].
    destruct (one_sign I J J' g HI HJ Hg t u It Iu Pt L).
  - right. intros u Iu. destruct (Rle_lt_dec (J' u) 0) as [L|L]; [exact L|].
    destruct N; exists u; auto. Qed.

(** On a level of more than one point a monotone J stands still. *)
Lemma flat_slope (I : R -> Prop) (J : R -> R) (t u s : R) :
  interval I -> slope I J t s -> I t -> I u -> t <> u ->
  (forall w, I w -> (t <= w <= u \/ u <= w <= t) -> J w = J t) -> s = 0.
Proof.
  intros HI Hs It Iu tu Flat. destruct (Req_dec s 0) as [Z|N]; [exact Z|exfalso].
  assert (Ps : 0 < Rabs s) by (apply Rabs_pos_lt; exact N).
  destruct (Hs (Rabs s / 2) ltac:(lra)) as [r [Pr Hr]]. set (k := Rmin 1 (r / (2 * Rabs (u - t)))).
  assert (Pu : 0 < Rabs (u - t)) by (apply Rabs_pos_lt; lra).
  assert (Pk : 0 < k) by (unfold k; apply Rmin_glb_lt; [lra | apply Rdiv_lt_0_compat; lra]).
  assert (K1 : k <= 1) by apply Rmin_l. assert (K2 : k * Rabs (u - t) < r).
  { apply Rle_lt_trans with (r / (2 * Rabs (u - t)) * Rabs (u - t)).
    - apply Rmult_le_compat_r; [lra | apply Rmin_r].
    - replace (r / (2 * Rabs (u - t)) * Rabs (u - t)) with (r / 2) by (field; lra). lra. }
  set (w := t + k * (u - t)).
  assert (Hw : t <= w <= u \/ u <= w <= t) by (unfold w; destruct (Rle_lt_dec t u); [left|right]; nra).
  assert (Iw : I w).
  { destruct Hw as [Hw|Hw]; [apply (HI t u) | apply (HI u t)]; assumption. }
  assert (D : Rabs (w - t) = k * Rabs (u - t)).
  { unfold w. replace (t + k * (u - t) - t) with (k * (u - t)) by ring.
    rewrite Rabs_mult, (Rabs_right k) by lra. reflexivity. }
  specialize (Hr w Iw ltac:(lra)). rewrite (Flat w Iw Hw) in Hr.
  replace (J t - J t - s * (w - t)) with (- (s * (w - t))) in Hr by ring.
  rewrite Rabs_Ropp, Rabs_mult in Hr. assert (0 < Rabs (w - t)) by (rewrite D; nra). nra. Qed.

(** A level has one slope, so a least upper bound picks it without a choice. *)
Lemma rule_of_monotone (I : R -> Prop) (J J' : R -> R) :
  interval I -> (forall t, I t -> slope I J t (J' t)) -> monotone I J ->
  exists g, forall t, I t -> J' t = g (J t).
Proof.
  intros HI HJ HM.
  exists (fun v => real (Lub_Rbar (fun s => exists t, I t /\ J t = v /\ J' t = s))). intros t It.
  assert (Same : forall u, I u -> J u = J t -> J' u = J' t).
  { intros u Iu E. destruct (Req_dec u t) as [->|N]; [reflexivity|].
    assert (Flat : forall w, I w -> t <= w <= u \/ u <= w <= t -> J w = J t).
    { intros w Iw Hw. destruct HM as [M|M]; destruct Hw as [[A B]|[A B]].
      all: pose proof (fun X Y => M _ _ X Y A) as X; specialize (X ltac:(assumption) ltac:(assumption)).
      all: pose proof (fun X Y => M _ _ X Y B) as Y; specialize (Y ltac:(assumption) ltac:(assumption)).
      all: lra. }
    rewrite (flat_slope I J t u (J' t)); auto. apply (flat_slope I J u t (J' u)); auto.
    intros w Iw Hw. rewrite E. apply Flat; tauto. }
  rewrite (is_lub_Rbar_unique _ (Finite (J' t))); [reflexivity|]. split.
  - intros s [u [Iu [E S]]]; simpl. rewrite <- S, (Same u Iu E). lra.
  - intros b Hb. apply Hb. exists t; auto. Qed.

Theorem one_parameter_holds : one_parameter.
Proof.
  intros I J J' HI HJ. split.
  - intros [g Hg]. destruct (monotone_of_rule I J J' g HI HJ Hg) as [P|P].
    + left. apply (never_falls I J J'); assumption.
    + right. apply (never_rises I J J'); assumption.
  - apply rule_of_monotone; assumption. Qed.
