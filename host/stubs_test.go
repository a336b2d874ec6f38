package host_test

func runKillChild([]string) int     { return 2 }
func runDiskFullChild([]string) int { return 2 }
