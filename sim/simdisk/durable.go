package simdisk

import (
	"slices"
	"strings"
)

// DurableNames returns the names that a directory would have after a power loss that kept nothing pending, sorted; for oracles. ok is false if the
// directory itself would not be there.
func (d *Disk) DurableNames(path string) (names []string, ok bool) {
	n := d.root.durable(path)
	if n == nil || !n.dir {
		return nil, false
	}
	for name := range n.stable { // any order: sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	return names, true
}

// DurableData returns what the platter has of a file, under the name it has there; for oracles. The bytes must not be changed.
func (d *Disk) DurableData(path string) (data []byte, ok bool) {
	n := d.root.durable(path)
	if n == nil || n.dir {
		return nil, false
	}
	return n.disk, true
}

func (n *node) durable(path string) *node {
	at := n
	for path != "" && at != nil {
		var name string
		name, path, _ = strings.Cut(path, "/")
		at = at.stable[name]
	}
	return at
}
