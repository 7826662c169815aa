"""Streamlit pages over stored runs: one page, one question. They show records and compute nothing."""
