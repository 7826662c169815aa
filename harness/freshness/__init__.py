"""The freshness drill: facts or labels change; indexing again against training again."""
