"""A run's costs in money: measured arms at the numbers of the business."""
