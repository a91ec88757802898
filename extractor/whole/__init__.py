"""Whole files, read once from their start: shown by `preview`, sent by `backfill`, remembered by `prime`."""
