(** Finite sums and means. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz.
Require Import Statements. Open Scope R_scope.

Lemma total_ext (n : nat) (x y : nat -> R) :
  (forall i, (i < n)%nat -> x i = y i) -> total n x = total n y.
Proof. induction n as [|n IH]; intros H; simpl; [reflexivity|]. rewrite IH, H; auto with arith. Qed.

Lemma total_plus (n : nat) (x y : nat -> R) : total n (fun i => x i + y i) = total n x + total n y.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.
Lemma total_scal (n : nat) (c : R) (x : nat -> R) : total n (fun i => c * x i) = c * total n x.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.
Lemma total_scal_r (n : nat) (c : R) (x : nat -> R) : total n (fun i => x i * c) = total n x * c.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.
Lemma total_minus (n : nat) (x y : nat -> R) : total n (fun i => x i - y i) = total n x - total n y.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma total_zero (n : nat) (x : nat -> R) : (forall i, (i < n)%nat -> x i = 0) -> total n x = 0.
Proof.
  induction n as [|n IH]; intros H; simpl; [reflexivity|]. rewrite IH, H; auto with arith; ring.
Qed.

Lemma total_const (n : nat) (c : R) : total n (fun _ => c) = INR n * c.
Proof. induction n as [|n IH]; [simpl; ring|]. rewrite S_INR; simpl; rewrite IH; ring. Qed.

Lemma total_le (n : nat) (x y : nat -> R) :
  (forall i, (i < n)%nat -> x i <= y i) -> total n x <= total n y.
Proof.
  induction n as [|n IH]; intros H; simpl; [lra|].
  apply Rplus_le_compat; [apply IH; auto with arith | apply H; lia]. Qed.

Lemma total_swap (n m : nat) (x : nat -> nat -> R) :
  total n (fun i => total m (fun j => x i j)) = total m (fun j => total n (fun i => x i j)).
Proof.
  induction n as [|n IH]; simpl.
  - symmetry; apply total_zero; reflexivity.
  - rewrite IH, <- total_plus; reflexivity. Qed.

Lemma total_Rabs (n : nat) (x : nat -> R) : Rabs (total n x) <= total n (fun i => Rabs (x i)).
Proof.
  induction n as [|n IH]; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|]. lra. Qed.

Lemma total_pos (n : nat) (x : nat -> R) : (forall i, (i < n)%nat -> 0 <= x i) -> 0 <= total n x.
Proof. intros H; rewrite <- (total_zero n (fun _ => 0)); [apply total_le; exact H | reflexivity]. Qed.

Lemma total_term (n i : nat) (x : nat -> R) :
  (i < n)%nat -> (forall j, (j < n)%nat -> 0 <= x j) -> x i <= total n x.
Proof.
  induction n as [|n IH]; intros Hi H; [lia|]; simpl. destruct (Nat.eq_dec i n) as [->|Hn].
  - pose proof (total_pos n x) as P; assert (0 <= total n x) by (apply P; auto with arith); lra.
  - assert (x i <= total n x) by (apply IH; auto with arith; lia). pose proof (H n (le_n _)); lra.
Qed.

Lemma total_single (n i : nat) (x : nat -> R) :
  (i < n)%nat -> total n (fun j => if Nat.eqb j i then x j else 0) = x i.
Proof.
  induction n as [|n IH]; intros Hi; [lia|]; simpl. destruct (Nat.eqb_spec n i) as [->|Hn].
  - rewrite total_zero; [ring|]. intros j Hj. destruct (Nat.eqb_spec j i); [lia|reflexivity].
  - rewrite IH by lia; ring. Qed.

Lemma E_ext (n : nat) (x y : nat -> R) : (forall i, (i < n)%nat -> x i = y i) -> E n x = E n y.
Proof. intros H; unfold E; rewrite (total_ext n x y H); reflexivity. Qed.
Lemma E_plus (n : nat) (x y : nat -> R) : E n (fun i => x i + y i) = E n x + E n y.
Proof. unfold E; rewrite total_plus; unfold Rdiv; ring. Qed.
Lemma E_minus (n : nat) (x y : nat -> R) : E n (fun i => x i - y i) = E n x - E n y.
Proof. unfold E; rewrite total_minus; unfold Rdiv; ring. Qed.
Lemma E_scal (n : nat) (c : R) (x : nat -> R) : E n (fun i => c * x i) = c * E n x.
Proof. unfold E; rewrite total_scal; unfold Rdiv; ring. Qed.
Lemma E_scal_r (n : nat) (c : R) (x : nat -> R) : E n (fun i => x i * c) = E n x * c.
Proof. unfold E; rewrite total_scal_r; unfold Rdiv; ring. Qed.
Lemma E_const (n : nat) (c : R) : (0 < n)%nat -> E n (fun _ => c) = c.
Proof. intros H; unfold E; rewrite total_const; field. apply not_0_INR; lia. Qed.

Lemma E_total (n m : nat) (x : nat -> nat -> R) :
  E n (fun i => total m (fun j => x i j)) = total m (fun j => E n (fun i => x i j)).
Proof. unfold E; rewrite total_swap; unfold Rdiv; rewrite total_scal_r; reflexivity. Qed.

(** The mean of no numbers is zero, since 0 / 0 is 0 times something. *)
Lemma E_constant_times (n : nat) (c : R) (x : nat -> R) : E n x * E n (fun _ => c) = c * E n x.
Proof. destruct n as [|n]; [unfold E, Rdiv; simpl; ring|]. rewrite E_const by lia; ring. Qed.

Lemma total_derive (n : nat) (f : nat -> R -> R) (f' : nat -> R) (t : R) :
  (forall k, (k < n)%nat -> is_derive (f k) t (f' k)) ->
  is_derive (fun u => total n (fun k => f k u)) t (total n f').
Proof.
  induction n as [|n IH]; intros H; simpl; [apply @is_derive_const|].
  apply @is_derive_plus; [apply IH; auto with arith | apply H; lia]. Qed.

Lemma E_derive (N : nat) (f : nat -> R -> R) (f' : nat -> R) (t : R) :
  (forall i, (i < N)%nat -> is_derive (f i) t (f' i)) ->
  is_derive (fun u => E N (fun i => f i u)) t (E N f').
Proof.
  intros H. unfold E, Rdiv. evar_last; [apply @is_derive_scal_l, total_derive, H | reflexivity]. Qed.
