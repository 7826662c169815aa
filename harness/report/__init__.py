"""What people read: the same view of the same records as text, Markdown and files. Computes nothing."""
