(** 5 and 8: means of products. *)
Require Import Reals Coquelicot.Coquelicot Lra Lia Psatz.
Require Import Statements Batch. Open Scope R_scope.

Theorem mean_of_means_holds : mean_of_means.
Proof.
  intros K n J H. unfold Cov, E. destruct K as [|K]; [exfalso; apply H; reflexivity|].
  assert (INR (S K) <> 0) by (apply not_0_INR; lia). field; auto. Qed.

Theorem line_holds : line.
Proof.
  intros N x y m b r. split; [|split; [|split]].
  - evar_last; [apply E_derive with (f' := fun i => -2 * (x i * r m b i)) | apply E_scal].
    intros i _. unfold r. auto_derive; [exact Logic.I|]. ring.
  - evar_last; [apply E_derive with (f' := fun i => -2 * r m b i) | apply E_scal].
    intros i _. unfold r. auto_derive; [exact Logic.I|]. ring.
  - unfold Cov. ring.
  - unfold Cov, r. rewrite (E_ext N (fun i => x i * (y i - (m * x i + b)))
      (fun i => x i * y i - (m * (x i * x i) + b * x i))) by (intros; ring).
    rewrite !E_minus, !E_plus, !E_scal. pose proof (E_constant_times N b x). nra. Qed.

Theorem rail_holds : rail.
Proof.
  intros N x y m b rate error Hm Hb k. induction k as [|k IH]; [reflexivity|].
  rewrite <- IH, Hm, Hb. ring. Qed.
