"""What every part of Luthier uses: errors, fingerprints, locks, retries, settings of the environment."""
