package snapshot

// NewHeapAllocator makes memories as they are where written pages cannot be told.
var NewHeapAllocator = newHeapAllocator
