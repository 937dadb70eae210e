(** 6: backprop computes the derivative, and the ledger is exact. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz.
Require Import Statements Batch Gradients. Open Scope R_scope.

(** One example: how fast all that passes through its layers moves. *)
Section OneExample.
Variables (L : nat) (d : nat -> nat) (f : nat -> R -> R) (loss : vector -> R).
Variables (W : R -> nat -> nat -> nat -> R) (W' : nat -> nat -> nat -> R).
Variables (b : R -> nat -> nat -> R) (b' : nat -> nat -> R).
Variables (z a : R -> nat -> nat -> R) (s delta : nat -> nat -> R) (t : R).
Hypothesis L_pos : (0 < L)%nat.
Hypothesis W_moves : forall l j k, is_derive (fun u => W u l j k) t (W' l j k).
Hypothesis b_moves : forall l j, is_derive (fun u => b u l j) t (b' l j).
Hypothesis input : forall u k, a u 0%nat k = a t 0%nat k.
Hypothesis runs : forall u, forward L d f (W u) (b u) (z u) (a u).
Hypothesis slopes : forall l j, (0 < l < L)%nat -> (j < d l)%nat -> is_derive (f l) (z t l j) (s l j).
Hypothesis top : gradient (d L) loss (z t L) (delta L).
Hypothesis down : backward L d (W t) s delta.

(** The speed of a l k; that of z (S l) j follows. *)
Fixpoint a' (l k : nat) : R :=
  match l with
  | O => 0
  | S m => s (S m) k *
      (total (d m) (fun i => a' m i * W t (S m) k i + a t m i * W' (S m) k i) + b' (S m) k)
  end.
Definition z' (m j : nat) : R :=
  total (d m) (fun i => a' m i * W t (S m) j i + a t m i * W' (S m) j i) + b' (S m) j.

Lemma z_moves_if (m j : nat) :
  (m < L)%nat -> (forall k, (k < d m)%nat -> is_derive (fun u => a u m k) t (a' m k)) ->
  is_derive (fun u => z u (S m) j) t (z' m j).
Proof.
  intros Hm Ha. apply (is_derive_ext (fun u => total (d m) (fun k => a u m k * W u (S m) j k) + b u (S m) j)).
  { intros u; symmetry; apply runs, Hm. }
  apply @is_derive_plus; [|apply b_moves].
  apply (total_derive (d m) (fun k u => a u m k * W u (S m) j k)). intros k Hk.
  apply (is_derive_mult (fun u => a u m k) (fun u => W u (S m) j k));
    [apply Ha, Hk | apply W_moves | intros; apply Rmult_comm]. Qed.

Lemma a_moves (l k : nat) : (l < L)%nat -> (k < d l)%nat -> is_derive (fun u => a u l k) t (a' l k).
Proof.
  revert k; induction l as [|m IH]; intros k Hl Hk.
  - apply (is_derive_ext (fun _ => a t 0%nat k)); [intros u; symmetry; apply input|].
    apply @is_derive_const.
  - apply (is_derive_ext (fun u => f (S m) (z u (S m) k))).
    { intros u; symmetry; apply runs; lia. }
    evar_last.
    + apply (is_derive_comp (f (S m)) (fun u => z u (S m) k)).
      * apply slopes; lia.
      * apply z_moves_if; [lia|]. intros i Hi; apply IH; lia.
    + simpl. unfold scal, z'; simpl; unfold mult; simpl. ring. Qed.

Lemma z_moves (m j : nat) : (m < L)%nat -> is_derive (fun u => z u (S m) j) t (z' m j).
Proof. intros Hm; apply z_moves_if; [exact Hm|]; intros k; apply a_moves, Hm. Qed.

Let own (l : nat) : R := total (d (S l)) (fun j =>
  total (d l) (fun k => W' (S l) j k * (delta (S l) j * a t l k)) + b' (S l) j * delta (S l) j).

(** What reaches layer m from below, seen by its deltas, is the sum of what
    the weights below and at it add. *)
Lemma pay (m : nat) : (m < L)%nat -> dot (d (S m)) (delta (S m)) (z' m) = total (S m) own.
Proof.
  induction m as [|m IH]; intros Hm.
  - simpl. unfold dot, own, z'. rewrite Rplus_0_l. apply total_ext; intros j _.
    rewrite Rmult_plus_distr_l, <- total_scal. rewrite (Rmult_comm (delta 1%nat j) (b' 1%nat j)).
    f_equal. apply total_ext; intros k _. simpl. ring.
  - change (total (S (S m)) own) with (total (S m) own + own (S m)).
    rewrite <- IH by lia. unfold dot at 1. rewrite (total_ext _ _ (fun j =>
      total (d (S m)) (fun k => delta (S (S m)) j * W t (S (S m)) j k * a' (S m) k)
      + (total (d (S m)) (fun k => W' (S (S m)) j k * (delta (S (S m)) j * a t (S m) k))
         + b' (S (S m)) j * delta (S (S m)) j))).
    2:{ intros j _. unfold z'. rewrite Rmult_plus_distr_l, <- total_scal, <- Rplus_assoc, <- total_plus.
        f_equal; [apply total_ext; intros k _|]; ring. }
    rewrite total_plus. fold (own (S m)). f_equal.
    rewrite total_swap. unfold dot. apply total_ext; intros k _.
    rewrite (down (S m) k) by lia. unfold from_above. rewrite total_scal_r.
    change (a' (S m) k) with (s (S m) k * z' m k). ring. Qed.

Lemma one_example : is_derive (fun u => loss (z u L)) t (total L own).
Proof.
  assert (EL : S (pred L) = L) by lia.
  replace (total L own) with (dot (d L) (delta L) (z' (pred L))) by (rewrite <- EL; apply pay; lia).
  apply (gradient_along (d L) loss (fun u => z u L)); [exact top|].
  intros j _. pose proof (z_moves (pred L) j ltac:(lia)) as M. rewrite EL in M. exact M. Qed.
End OneExample.

Theorem backprop_holds : backprop.
Proof.
  intros N L d f loss W W' b b' z a s delta t HL HW Hb Hx Hf Hs Htop Hdown. evar_last.
  - apply (E_derive N (fun i u => loss i (z u i L))). intros i _.
    apply (one_example L d f (loss i) W W' b b' (fun u => z u i) (fun u => a u i) (s i)
      (delta i) t HL HW Hb (fun u => Hx u i) (fun u => Hf u i) (fun l j => Hs i l j) (Htop i) (Hdown i)).
  - rewrite E_total. apply total_ext; intros l _. rewrite E_total. apply total_ext; intros j _.
    rewrite E_plus, E_total, E_scal. f_equal. apply total_ext; intros k _. apply E_scal. Qed.

Lemma E_from_above (N : nat) (d : nat -> nat) (W : nat -> nat -> nat -> R)
    (delta : nat -> nat -> nat -> R) (l k : nat) : E N (fun i => from_above d W (delta i) l k) =
  from_above d W (fun l j => E N (fun i => delta i l j)) l k.
Proof. unfold from_above. rewrite E_total. apply total_ext; intros j _. apply E_scal_r. Qed.

Theorem ledger_holds : ledger.
Proof.
  intros N L d W w v e a s delta Hdelta Hv Htop He0 He.
  assert (Down : forall h l j, (l = L - h)%nat -> (0 < l <= L)%nat ->
    E N (fun i => delta i l j) - v l j = e l j).
  { induction h as [|h IH]; intros l j Hl Pl.
    - replace l with L by lia. rewrite Htop, He0. ring.
    - destruct (Nat.eq_dec l L) as [->|Hn]; [rewrite Htop, He0; ring|].
      rewrite (He l j) by lia. rewrite (Hv l j) by lia.
      rewrite (E_ext N (fun i => delta i l j) (fun i => from_above d W (delta i) l j * s i l j))
        by (intros i _; apply Hdelta; lia).
      replace (from_above d W e l j) with
        (E N (fun i => from_above d W (delta i) l j) - from_above d W v l j).
      2:{ rewrite E_from_above. unfold from_above. rewrite <- total_minus.
          apply total_ext; intros i _. rewrite <- (IH (S l) i) by lia. ring. }
      unfold Cov. ring. }
  intros l j k Hl. assert (E N (fun i => delta i (S l) j) - v (S l) j = e (S l) j) as D
    by (apply (Down (L - S l)%nat); lia).
  split; [exact D|]. rewrite <- D. unfold Cov. ring. Qed.
