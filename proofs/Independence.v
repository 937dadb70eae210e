(** 4: the slopes of a sigmoid at different inputs are linearly independent. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz Classical.
Require Import Statements Batch. Open Scope R_scope.

Lemma sigmoid_slope (t : R) : Derive sigmoid t = exp (- t) / (1 + exp (- t)) ^ 2.
Proof.
  apply is_derive_unique. unfold sigmoid. pose proof (exp_pos (- t)).
  auto_derive; [lra|]. field. lra. Qed.

(** e^{-k t} dies out as t grows, for k > 0. *)
Lemma dies_out (k : R) : 0 < k -> is_lim (fun t => exp (- k * t)) p_infty 0.
Proof.
  intros Pk. apply (is_lim_comp exp (fun t => - k * t) p_infty 0 m_infty).
  - apply is_lim_exp_m.
  - evar_last; [apply is_lim_scal_l, is_lim_id|].
    simpl. destruct (Rle_dec 0 (- k)) as [L|L]; [exfalso; lra | reflexivity].
  - exists 0; intros; discriminate. Qed.

(** The term of c and x, times e^{t y}: its limit at y = x, and beyond. *)
Lemma term_limit (c x y : R) : 0 < x -> y <= x ->
  is_lim (fun t => exp (t * y) * (c * (x * Derive sigmoid (t * x)))) p_infty
    (if Req_EM_T x y then c * x else 0).
Proof.
  intros Px yx.
  apply (is_lim_ext (fun t => c * x * (exp (- (x - y) * t) * / ((1 + exp (- x * t)) * (1 + exp (- x * t)))))).
  { intros t. rewrite sigmoid_slope. replace (- (t * x)) with (- x * t) by ring.
    replace (- (x - y) * t) with (t * y + - x * t) by ring. rewrite exp_plus.
    pose proof (exp_pos (- x * t)). field. lra. }
  assert (Den : is_lim (fun t => / ((1 + exp (- x * t)) * (1 + exp (- x * t)))) p_infty 1).
  { assert (One : is_lim (fun t => 1 + exp (- x * t)) p_infty 1).
    { evar_last; [apply is_lim_plus'; [apply is_lim_const | apply dies_out, Px]|].
      apply f_equal; ring. }
    evar_last.
    - apply is_lim_inv; [apply is_lim_mult; [exact One | exact One | exact Logic.I]|].
      simpl. intros E. injection E. lra.
    - simpl. apply f_equal. field. }
  evar_last.
  - apply is_lim_scal_l. apply is_lim_mult with (lf := if Req_EM_T x y then 1 else 0) (lg := 1).
    + destruct (Req_EM_T x y) as [->|N].
      * apply (is_lim_ext (fun _ => 1)); [|apply is_lim_const].
        intros t. replace (- (y - y) * t) with 0 by ring. rewrite exp_0; reflexivity.
      * apply dies_out. lra.
    + exact Den.
    + exact Logic.I.
  - simpl. destruct (Req_EM_T x y); apply f_equal; ring. Qed.

Lemma total_limit (n : nat) (f : nat -> R -> R) (l : nat -> R) :
  (forall i, (i < n)%nat -> is_lim (f i) p_infty (l i)) ->
  is_lim (fun t => total n (fun i => f i t)) p_infty (total n l).
Proof.
  induction n as [|n IH]; intros H; simpl; [apply is_lim_const|].
  apply is_lim_plus'; [apply IH; auto with arith | apply H; lia]. Qed.

(** Among the terms that count there is one with the smallest input. *)
Lemma smallest (n : nat) (x : nat -> R) (P : nat -> Prop) : (exists i, (i < n)%nat /\ P i) ->
  exists i, (i < n)%nat /\ P i /\ forall j, (j < n)%nat -> P j -> x i <= x j.
Proof.
  induction n as [|n IH]; intros [i [Hi Pi]]; [lia|].
  destruct (classic (exists i, (i < n)%nat /\ P i)) as [Y|N].
  - destruct (IH Y) as [m [Hm [Pm Min]]]. destruct (classic (P n /\ x n < x m)) as [[Pn L]|NL].
    + exists n; repeat split; auto. intros j Hj Pj.
      destruct (Nat.eq_dec j n) as [->|]; [lra|]. specialize (Min j ltac:(lia) Pj). lra.
    + exists m; repeat split; auto. intros j Hj Pj.
      destruct (Nat.eq_dec j n) as [->|]; [|apply Min; auto; lia].
      destruct (Rle_lt_dec (x m) (x n)); [assumption | destruct NL; auto].
  - exists i; repeat split; auto. intros j Hj Pj.
    assert (j = n) by (destruct (Nat.eq_dec j n); [assumption | destruct N; exists j; split; [lia | exact Pj]]).
    assert (i = n) by (destruct (Nat.eq_dec i n); [assumption | destruct N; exists i; split; [lia | exact Pi]]).
    subst; lra. Qed.

Theorem independent_slopes_holds : independent_slopes.
Proof.
  intros n x c Px Dx Z i Hi. destruct (Req_dec (c i) 0) as [E|N]; [exact E|exfalso].
  destruct (smallest n x (fun j => c j <> 0)) as [m [Hm [Cm Min]]]; [exists i; auto|].
  assert (Dm : forall j, (j < n)%nat -> j <> m -> x j <> x m).
  { intros j Hj jm. destruct (Nat.lt_total j m) as [L|[E|L]].
    - apply Dx; lia.
    - lia.
    - apply not_eq_sym, Dx; lia. }
  assert (Lim : is_lim (fun t => total n (fun j => exp (t * x m) * (c j * (x j * Derive sigmoid (t * x j)))))
    p_infty (total n (fun j => if Nat.eqb j m then c j * x j else 0))).
  { apply total_limit. intros j Hj. destruct (Req_dec (c j) 0) as [C|C].
    - apply (is_lim_ext (fun _ => 0)); [intros t; rewrite C; ring|].
      replace (if Nat.eqb j m then c j * x j else 0) with 0
        by (rewrite C; destruct (Nat.eqb j m); ring).
      apply is_lim_const.
    - pose proof (term_limit (c j) (x j) (x m) (Px j Hj) (Min j Hj C)) as T.
      destruct (Nat.eqb_spec j m) as [->|jm]; destruct (Req_EM_T _ _) as [E|E]; try exact T.
      + destruct (E eq_refl).
      + destruct (Dm j Hj jm E). }
  rewrite total_single in Lim by exact Hm.
  assert (Zero : is_lim (fun t => total n (fun j => exp (t * x m) * (c j * (x j * Derive sigmoid (t * x j)))))
    p_infty 0).
  { apply (is_lim_ext_loc (fun _ => 0)); [|apply is_lim_const].
    exists 0. intros t Ht. rewrite total_scal, Z by lra. ring. }
  apply is_lim_unique in Lim. apply is_lim_unique in Zero.
  rewrite Zero in Lim. injection Lim; intros E.
  specialize (Px m Hm). apply Cm, (Rmult_eq_reg_r (x m)); lra. Qed.
