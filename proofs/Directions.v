(** 2, several parameters: all gradients are multiples of one. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz Classical FunctionalExtensionality.
Require Import Statements Batch Gradients Slopes. Open Scope R_scope.

Lemma dot_plus (p : nat) (a u v : vector) : dot p a (fun j => u j + v j) = dot p a u + dot p a v.
Proof. unfold dot; rewrite <- total_plus; apply total_ext; intros; ring. Qed.
Lemma dot_scal (p : nat) (c : R) (a u : vector) : dot p a (fun j => c * u j) = c * dot p a u.
Proof. unfold dot; rewrite <- total_scal; apply total_ext; intros; ring. Qed.

(** The derivative of J along the line x + u e. *)
Lemma along_line (p : nat) (J : vector -> R) (G : vector -> vector) (x e : vector) (t : R) :
  (forall y, gradient p J y (G y)) ->
  is_derive (fun u => J (fun j => x j + u * e j)) t (dot p (G (fun j => x j + t * e j)) e).
Proof.
  intros H. apply (gradient_along p J (fun u j => x j + u * e j)); [apply H|].
  intros i _. auto_derive; trivial; ring. Qed.

Section Rule.
Variables (p : nat) (J : vector -> R) (G : vector -> vector) (g : R -> vector).
Hypothesis J_gradient : forall x, gradient p J x (G x).
Hypothesis G_rule : forall x j, (j < p)%nat -> G x j = g (J x) j.

Let on x e (u : R) : vector := fun j => x j + u * e j.

Lemma D_rule (x e : vector) : dot p (G x) e = dot p (g (J x)) e.
Proof. unfold dot; apply total_ext; intros j Hj; rewrite G_rule by exact Hj; reflexivity. Qed.

Lemma line_interval : interval (fun _ => True).
Proof. intros a b t _ _ _; exact Logic.I. Qed.

Lemma line_slope (x e : vector) (t : R) :
  True -> slope (fun _ => True) (fun u => J (on x e u)) t (dot p (G (on x e t)) e).
Proof. intros _; apply slope_of_derive, along_line, J_gradient. Qed.

Lemma line_one_sign (x e : vector) :
  (forall t, True -> 0 <= dot p (G (on x e t)) e) \/ (forall t, True -> dot p (G (on x e t)) e <= 0).
Proof.
  apply (monotone_of_rule _ (fun u => J (on x e u)) _ (fun v => dot p (g v) e) line_interval
    (line_slope x e)).
  intros t _; apply D_rule. Qed.

Lemma line_start (x e : vector) : on x e 0 = x.
Proof. apply functional_extensionality; intros j; unfold on; ring. Qed.
Lemma line_end (x e : vector) : on x e 1 = fun j => x j + e j.
Proof. apply functional_extensionality; intros j; unfold on; ring. Qed.

Lemma rises (x e : vector) : 0 < dot p (G x) e -> J x <= J (fun j => x j + e j).
Proof.
  intros P. destruct (line_one_sign x e) as [S|S].
  - pose proof (never_falls _ _ _ line_interval (line_slope x e) S 0 1 Logic.I Logic.I ltac:(lra)) as F.
    simpl in F. rewrite line_start, line_end in F. exact F.
  - specialize (S 0 Logic.I). rewrite line_start in S. lra. Qed.

Lemma sinks (x e : vector) : dot p (G x) e < 0 -> J (fun j => x j + e j) <= J x.
Proof.
  intros P. destruct (line_one_sign x e) as [S|S].
  - specialize (S 0 Logic.I). rewrite line_start in S. lra.
  - pose proof (never_rises _ _ _ line_interval (line_slope x e) S 0 1 Logic.I Logic.I ltac:(lra)) as F.
    simpl in F. rewrite line_start, line_end in F. exact F. Qed.

(** Far along e, whatever else the step does hardly counts. *)
Lemma far (a b c d : R) : 0 < a -> exists T, 0 < T /\ 0 < c + T * a /\ 0 < d + T * a.
Proof.
  intros P. exists (Rabs c / a + Rabs d / a + 1).
  assert (0 <= Rabs c / a) by (apply Rdiv_le_0_compat; [apply Rabs_pos | lra]).
  assert (0 <= Rabs d / a) by (apply Rdiv_le_0_compat; [apply Rabs_pos | lra]).
  assert (Rabs c / a * a = Rabs c) by (field; lra).
  assert (Rabs d / a * a = Rabs d) by (field; lra).
  pose proof (Rle_abs (- c)) as C; pose proof (Rle_abs (- d)) as D. rewrite Rabs_Ropp in C, D.
  repeat split; nra. Qed.

Lemma one_direction (x y e : vector) : 0 < dot p (G x) e -> dot p (G y) e < 0 -> False.
Proof.
  intros Px Ny. set (u := fun j => y j - x j).
  destruct (far (dot p (G x) e) 0 (dot p (G x) u) (- dot p (G x) u) Px) as [T [PT [T1 T2]]].
  assert (Up : J x <= J (fun j => y j + T * e j)).
  { replace (fun j => y j + T * e j) with (fun j => x j + (u j + T * e j))
      by (apply functional_extensionality; intros; unfold u; ring).
    apply rises. rewrite dot_plus, dot_scal. lra. }
  assert (Down : J (fun j => y j + T * e j) <= J y) by (apply sinks; rewrite dot_scal; nra).
  assert (Up' : J y <= J (fun j => y j + - T * e j)) by (apply rises; rewrite dot_scal; nra).
  assert (Down' : J (fun j => y j + - T * e j) <= J x).
  { replace (fun j => y j + - T * e j) with (fun j => x j + (u j + - T * e j))
      by (apply functional_extensionality; intros; unfold u; ring).
    apply sinks. rewrite dot_plus, dot_scal. lra. }
  assert (J x = J y) as E by lra. rewrite D_rule in Px, Ny. rewrite E in Px. lra. Qed.

(** Where the derivative along e is zero all along a line, J stands still. *)
Lemma still (x e : vector) :
  (forall y, dot p (G y) e = 0) -> J (fun j => x j + e j) = J x.
Proof.
  intros Z. transitivity (J (on x e 0)); [rewrite <- line_end | rewrite line_start; reflexivity].
  apply (flat _ (fun u => J (on x e u)) line_interval); trivial.
  intros t T. rewrite <- (Z (on x e t)). apply line_slope, T. Qed.

Section Slanted.
Variable x0 : vector.
Let a := G x0.
Hypothesis a_a : 0 < dot p a a.
Let f : vector := fun j => / dot p a a * a j.

Lemma a_f : dot p a f = 1.
Proof. unfold f; rewrite dot_scal; field; lra. Qed.

Lemma blind (x e : vector) : dot p a e = 0 -> ~ dot p (G x) e < 0.
Proof.
  intros Z N. set (k := - dot p (G x) e / (2 * (Rabs (dot p (G x) f) + 1))).
  pose proof (Rabs_pos (dot p (G x) f)) as P. pose proof (Rle_abs (dot p (G x) f)) as Q.
  assert (Pk : 0 < k) by (unfold k; apply Rdiv_lt_0_compat; lra).
  apply (one_direction x0 x (fun j => e j + k * f j)).
  - fold a. rewrite dot_plus, dot_scal, Z, a_f. lra.
  - rewrite dot_plus, dot_scal.
    assert (k * (2 * (Rabs (dot p (G x) f) + 1)) = - dot p (G x) e) by (unfold k; field; lra). nra.
Qed.

Lemma blind_both (x e : vector) : dot p a e = 0 -> dot p (G x) e = 0.
Proof.
  intros Z. destruct (Rtotal_order (dot p (G x) e) 0) as [L|[E|L]]; [| exact E |].
  - destruct (blind x e Z L).
  - destruct (blind x (fun j => -1 * e j)); rewrite dot_scal; lra. Qed.

Lemma seen_through_a (x : vector) : J x = J (on (fun _ => 0) f (dot p a x)).
Proof.
  rewrite <- (still (on (fun _ => 0) f (dot p a x)) (fun j => x j + - dot p a x * f j)).
  - f_equal. apply functional_extensionality; intros j; unfold on; ring.
  - intros y. apply blind_both. rewrite dot_plus, dot_scal, a_f. ring. Qed.
End Slanted.

Lemma line_monotone (x e : vector) : monotone (fun _ => True) (fun u => J (on x e u)).
Proof.
  destruct (line_one_sign x e) as [S|S].
  - left. apply (never_falls _ _ _ line_interval (line_slope x e) S).
  - right. apply (never_rises _ _ _ line_interval (line_slope x e) S). Qed.

Lemma level_everywhere (x : vector) : (forall y, ~ 0 < dot p (G y) (G y)) -> J x = J (fun _ => 0).
Proof.
  intros N. assert (Z : forall y e, dot p (G y) e = 0).
  { intros y e. apply total_zero. intros j Hj. assert (0 <= G y j * G y j <= 0) as Q.
    { split; [nra|]. apply Rle_trans with (dot p (G y) (G y)); [|specialize (N y); lra].
      apply (total_term p j (fun j => G y j * G y j)); [exact Hj|]. intros; nra. }
    replace (G y j) with 0 by nra. ring. }
  rewrite <- (still (fun _ => 0) x) by (intros y; apply Z).
  f_equal. apply functional_extensionality; intros; ring. Qed.
End Rule.

Theorem several_parameters_holds : several_parameters.
Proof.
  intros p J G HJ. split.
  - intros [g Hg]. destruct (classic (exists x, 0 < dot p (G x) (G x))) as [[x0 P]|N].
    + exists (G x0), (fun s => J (fun j => 0 + s * (/ dot p (G x0) (G x0) * G x0 j))).
      split; [|split].
      * apply (line_monotone p J G g HJ Hg (fun _ => 0)).
      * intros s. eexists. apply (along_line p J G (fun _ => 0) _ s HJ).
      * intros x. apply (seen_through_a p J G g HJ Hg x0 P x).
    + exists (fun _ => 0), (fun _ => J (fun _ => 0)). split; [|split].
      * left; intros; lra.
      * intros s; apply ex_derive_const.
      * intros x. apply (level_everywhere p J G HJ). intros y Q; apply N; exists y; exact Q.
  - intros [a [h [M [Dh HJh]]]].
    destruct (rule_of_monotone (fun _ => True) h (Derive h)) as [g1 Hg1]; [|intros t _|exact M|].
    { intros u v t _ _ _; exact Logic.I. }
    { apply slope_of_derive, Derive_correct, Dh. }
    exists (fun v j => g1 v * a j). intros x j Hj. rewrite HJh, <- Hg1 by exact Logic.I.
    set (e := fun k => if Nat.eqb k j then 1 else 0). assert (De : forall b, dot p b e = b j).
    { intros b. unfold dot, e. rewrite (total_ext p _ (fun k => if Nat.eqb k j then b k else 0))
        by (intros k _; destruct (Nat.eqb k j); ring).
      apply total_single, Hj. }
    pose proof (along_line p J G x e 0 HJ) as A. replace (fun k => x k + 0 * e k) with x in A
      by (apply functional_extensionality; intros; ring).
    rewrite De in A. apply is_derive_unique in A. rewrite <- A. apply is_derive_unique.
    apply (is_derive_ext (fun u => h (dot p a x + u * a j))).
    { intros u. rewrite HJh, dot_plus, dot_scal, De. reflexivity. }
    evar_last.
    + apply (is_derive_comp h (fun u => dot p a x + u * a j) 0 (Derive h (dot p a x)) (a j)).
      * replace (dot p a x + 0 * a j) with (dot p a x) by ring. apply Derive_correct, Dh.
      * auto_derive; trivial; ring.
    + unfold scal; simpl; unfold mult; simpl. ring. Qed.
