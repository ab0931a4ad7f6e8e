"""A contract suite for every port, and factories for valid records: what the tests of an adapter need."""
