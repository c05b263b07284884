"""What a run leaves: git (repo, worktree, plumbing) and files (ledger, results, run). Nothing else imports git."""
