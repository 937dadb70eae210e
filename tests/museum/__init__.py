"""Public reports of averages gone wrong, run again, and what each tool says of them."""
