"""What flows between the stages: frozen records, one module a concept, no behaviour beyond their own rules."""
