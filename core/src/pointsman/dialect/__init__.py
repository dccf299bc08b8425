"""What options of several plugins have in common: how status ranges, sources, templates and their like are written.

Public, as `pointsman` itself is: a plugin imports the module it needs, `from pointsman.dialect.statuses import statuses`.
What only one package uses stays there.
"""
