"""A seeded generator of French hospital populations, to measure patient matching on.

People with names of real-looking frequency, twins of whom one is absent, namesakes, dates that were imputed, births
abroad, newborns; seen by admissions and by a secretariat that makes mistakes. Everybody is invented: the family names
are common ones or composed of syllables, the matricules hold a commune that does not exist, the telephone numbers are
of the ranges that ARCEP keeps for fiction. Only ``random.Random(seed)`` decides, so one seed gives the same bytes.
"""
