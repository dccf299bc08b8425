"""What a gateway shows of itself while it runs: elements, how they fare, and why a request goes where it goes. No I/O."""
