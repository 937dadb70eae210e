"""One file a framework, one public function a situation: each returns a Capture."""
