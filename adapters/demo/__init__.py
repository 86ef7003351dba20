"""A morning at the hospital, played into a real gateway and checked against what it should lead to."""
