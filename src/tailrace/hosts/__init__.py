"""Where the loop runs: once over what there is, as a service that stays, and as a Lambda function."""
