"""What everything shares: records, errors, their JSON, names, the wording of single figures."""
