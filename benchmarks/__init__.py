"""What the figures come from: each module measures one thing, beside what a user would pick."""
