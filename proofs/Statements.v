(** The theorems of this site, as Coq checks them. [f x y] is f(x, y); [fun i => x i] maps i
    to x(i); [->] is implies (A -> B -> C: if A and B, then C); [<->] is if and only if, [/\]
    and, [\/] or, [<>] unequal; [nat] is 0, 1, 2, ..., [S l] is l + 1, [INR n] is n as a real;
    [is_derive f t s] is f'(t) = s; [I : R -> Prop] is a set, [I t] says that t is in it; 0 / 0
    is 0. Each statement names the page that makes the claim; another file proves it. *)
Require Import Reals Coquelicot.Coquelicot. Open Scope R_scope.

(** x 0 + ... + x (n - 1); the mean of these n numbers; their covariance. *)
Fixpoint total n (x : nat -> R) : R := match n with O => 0 | S m => total m x + x m end.
Definition E (n : nat) (x : nat -> R) : R := total n x / INR n.
Definition Cov (n : nat) (x y : nat -> R) := E n (fun i => x i * y i) - E n x * E n y.

(** An interval of any kind: with two points it contains all between. *)
Definition interval (I : R -> Prop) := forall a b t, I a -> I b -> a <= t <= b -> I t.
(** J has the slope s at t, seen from inside I: one-sided at its ends. *)
Definition slope (I : R -> Prop) (J : R -> R) (t s : R) : Prop :=
  forall eps, 0 < eps -> exists r, 0 < r /\ forall u, I u -> Rabs (u - t) < r ->
  Rabs (J u - J t - s * (u - t)) <= eps * Rabs (u - t).
(** J never falls on I, or never rises on it. *)
Definition monotone (I : R -> Prop) (J : R -> R) : Prop :=
  (forall a b, I a -> I b -> a <= b -> J a <= J b) \/
  (forall a b, I a -> I b -> a <= b -> J b <= J a).

(** A point of R^p: of its entries 0, 1, 2, ... the first p count. *)
Definition vector : Type := nat -> R.
Definition dot (p : nat) (a b : vector) : R := total p (fun j => a j * b j).
Definition size (p : nat) (h : vector) : R := total p (fun j => Rabs (h j)).
(** J : R^p -> R is differentiable at x, with the gradient G. *)
Definition gradient (p : nat) (J : vector -> R) (x G : vector) : Prop :=
  forall eps, 0 < eps -> exists r, 0 < r /\ forall h, size p h < r ->
  Rabs (J (fun j => x j + h j) - J x - dot p G h) <= eps * size p h.

(** docs/learn/linearity.md *)
Definition gradient_of_mean : Prop :=
  forall (N p : nat) (loss : nat -> vector -> R) (x : vector) (G : nat -> vector),
  (forall i, (i < N)%nat -> gradient p (loss i) x (G i)) ->
  gradient p (fun y => E N (fun i => loss i y)) x (fun j => E N (fun i => G i j)).

(** docs/learn/linearity.md. L makes one number of n losses; w i is its derivative by
    loss i, taken by adding eps to that loss. *)
Definition tap : Prop :=
  forall n p (L : vector -> R) (loss : nat -> vector -> R) (x w : vector) G,
  gradient n L (fun i => loss i x) w ->
  (forall i, (i < n)%nat -> gradient p (loss i) x (G i)) ->
  gradient p (fun y => L (fun i => loss i y)) x (fun j => total n (fun i => w i * G i j)) /\
  forall i, (i < n)%nat ->
  is_derive (fun eps => L (fun k => loss k x + if Nat.eqb k i then eps else 0)) 0 (w i).

(** docs/learn/sigmoid.md *)
Definition means_pass_through : Prop :=
  forall f : R -> R, (forall t, continuous f t) ->
  ((forall n x, (0 < n)%nat -> E n (fun i => f (x i)) = f (E n x)) <->
   exists c d, forall t, f t = c * t + d).

(** docs/learn/no-shortcut.md. In one parameter, and in several. *)
Definition one_parameter : Prop :=
  forall (I : R -> Prop) (J J' : R -> R), interval I ->
  (forall t, I t -> slope I J t (J' t)) ->
  ((exists g, forall t, I t -> J' t = g (J t)) <-> monotone I J).
Definition several_parameters : Prop :=
  forall (p : nat) (J : vector -> R) (G : vector -> vector),
  (forall x, gradient p J x (G x)) ->
  ((exists g, forall x j, (j < p)%nat -> G x j = g (J x) j) <->
   exists (a : vector) (h : R -> R), monotone (fun _ => True) h /\
   (forall s, ex_derive h s) /\ forall x, J x = h (dot p a x)).

(** docs/learn/no-shortcut.md. One g serves all batches x of n examples from D; batches of
    two are enough. At each t the losses of D fill an interval, not a point. *)
Definition serves n (I : R -> Prop) (D : Type) (loss : D -> R -> R) (g : R -> R) : Prop :=
  forall (x : nat -> D) t, I t ->
  slope I (fun u => E n (fun i => loss (x i) u)) t (g (E n (fun i => loss (x i) t))).
Definition fills (I : R -> Prop) (D : Type) (loss : D -> R -> R) : Prop :=
  forall t, I t -> interval (fun z => exists d, loss d t = z) /\
  exists d e, loss d t <> loss e t.
Definition one_rule : Prop :=
  forall I D loss g, interval I -> (exists t u, I t /\ I u /\ t <> u) ->
  serves 2 I D loss g -> fills I D loss -> exists a b, forall d,
  (forall t, I t -> g (loss d t) = a * loss d t + b) /\ exists C, forall t, I t ->
  (a <> 0 -> loss d t = C * exp (a * t) - b / a) /\ (a = 0 -> loss d t = b * t + C).
(** There are such losses, for any a and b, with an example for each real number. *)
Definition one_rule_exists : Prop :=
  forall (I : R -> Prop) (a b : R), exists loss : R -> R -> R, fills I R loss /\
  forall n, (0 < n)%nat -> serves n I R loss (fun z => a * z + b).

(** docs/learn/what-to-average.md *)
Definition sigmoid (t : R) : R := 1 / (1 + exp (- t)).
Definition independent_slopes : Prop :=
  forall (n : nat) (x c : nat -> R), (forall i, (i < n)%nat -> 0 < x i) ->
  (forall i j, (i < j < n)%nat -> x i <> x j) ->
  (forall t, 0 <= t -> total n (fun i => c i * (x i * Derive sigmoid (t * x i))) = 0) ->
  forall i, (i < n)%nat -> c i = 0.

(** docs/learn/line.md. The gradient, and the rail. *)
Definition line : Prop :=
  forall (N : nat) (x y : nat -> R) (m b : R), let r m b i := y i - (m * x i + b) in
  is_derive (fun u => E N (fun i => r u b i ^ 2)) m (-2 * E N (fun i => x i * r m b i)) /\
  is_derive (fun u => E N (fun i => r m u i ^ 2)) b (-2 * E N (r m b)) /\
  -2 * E N (fun i => x i * r m b i) = -2 * E N x * E N (r m b) - 2 * Cov N x (r m b) /\
  Cov N x (r m b) = Cov N x y - m * Cov N x x.
Definition rail : Prop :=
  forall (N : nat) (x y m b rate : nat -> R),
  let r k := E N (fun i => y i - (m k * x i + b k)) in
  (forall k, m (S k) = m k - rate k * (-2 * E N x * r k)) ->
  (forall k, b (S k) = b k - rate k * (-2 * r k)) ->
  forall k, m k - E N x * b k = m 0%nat - E N x * b 0%nat.

(** docs/practice/micro-batches.md *)
Definition mean_of_means : Prop :=
  forall (K : nat) (n J : nat -> R), total K n <> 0 ->
  total K (fun k => n k * J k) / total K n - E K J = Cov K n J / E K n.

(** docs/learn/layerwise.md. Layer l of L has d l units: z l j enters unit j, a l j leaves
    it, s l j is its slope. a 0 is the input; delta goes down from layer L. The weights W
    and b move with u, at any speeds W' and b'; so does the mean loss. *)
Definition units := nat -> nat -> R.
Definition weights := nat -> nat -> nat -> R.
Definition forward L (d : nat -> nat) f (W : weights) (b z a : units) : Prop :=
  forall l j, (l < L)%nat -> a (S l) j = f (S l) (z (S l) j) /\
  z (S l) j = total (d l) (fun k => a l k * W (S l) j k) + b (S l) j.
Definition from_above d (W : weights) (delta : units) l k : R :=
  total (d (S l)) (fun j => delta (S l) j * W (S l) j k).
Definition backward L d W (s delta : units) : Prop :=
  forall l k, (0 < l < L)%nat -> delta l k = from_above d W delta l k * s l k.
Definition backprop : Prop :=
  forall N L d (f : nat -> R -> R) (loss : nat -> vector -> R) (W : R -> weights) W'
    (b : R -> units) b' (z a : R -> nat -> units) (s delta : nat -> units) t, (0 < L)%nat ->
  (forall l j k, is_derive (fun u => W u l j k) t (W' l j k)) ->
  (forall l j, is_derive (fun u => b u l j) t (b' l j)) ->
  (forall u i k, a u i 0%nat k = a t i 0%nat k) ->
  (forall u i, forward L d f (W u) (b u) (z u i) (a u i)) ->
  (forall i l j, (0 < l < L)%nat -> (j < d l)%nat -> is_derive (f l) (z t i l j) (s i l j)) ->
  (forall i, gradient (d L) (loss i) (z t i L) (delta i L)) ->
  (forall i, backward L d (W t) (s i) (delta i)) ->
  is_derive (fun u => E N (fun i => loss i (z u i L))) t
    (total L (fun l => total (d (S l)) (fun j => total (d l) (fun k =>
        W' (S l) j k * E N (fun i => delta i (S l) j * a t i l k)) +
      b' (S l) j * E N (fun i => delta i (S l) j)))).
(** docs/learn/ledger.md. Each example i has its delta i; v is the averaged delta, sent
    down through slopes w; e is what the ledger adds up. *)
Definition ledger : Prop :=
  forall N L d W (w v e : units) (a s delta : nat -> units),
  (forall i, backward L d W (s i) (delta i)) -> backward L d W w v ->
  (forall j, v L j = E N (fun i => delta i L j)) -> (forall j, e L j = 0) ->
  (forall l k, (0 < l < L)%nat -> e l k =
    from_above d W e l k * E N (fun i => s i l k) +
    Cov N (fun i => from_above d W (delta i) l k) (fun i => s i l k) +
    from_above d W v l k * (E N (fun i => s i l k) - w l k)) ->
  forall l j k, (l < L)%nat -> E N (fun i => delta i (S l) j) - v (S l) j = e (S l) j /\
  E N (fun i => delta i (S l) j * a i l k) - v (S l) j * E N (fun i => a i l k) =
  Cov N (fun i => delta i (S l) j) (fun i => a i l k) + e (S l) j * E N (fun i => a i l k).
