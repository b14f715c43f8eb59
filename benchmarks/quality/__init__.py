"""How models sound, judged by tools that are not the product's own: see benchmarks/quality/__main__.py."""
