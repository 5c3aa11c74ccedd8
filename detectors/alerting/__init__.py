"""From evidence to alerts: the policy, what an alert says, who is exempt."""
