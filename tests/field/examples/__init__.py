"""The audit where gradients lie on several workers: a sketch each, and one all-reduce."""
