"""The local store as a whole: opening it, looking after its files, checking that its accounts balance."""
