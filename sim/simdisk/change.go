package simdisk

import "slices"

type changeKind uint8

const (
	changeNames  changeKind = iota + 1 // links
	changeBytes                        // node, off, bytes: within one page
	changeLength                       // node, length
)

// change is one operation that the platter does not have yet.
type change struct {
	kind   changeKind
	after  []*change // reach the platter before this one
	done   bool      // it did, by a sync
	links  []link
	covers *node // the directory whose SyncDir carries a change of names over
	node   *node
	off    int64
	bytes  []byte
	length int64
	cut    bool // the length fell
}

// link is one name's new meaning; node nil: removed. A rename has two, and they come together.
type link struct {
	dir  *node
	name string
	node *node
}

// apply makes c true on the platter.
func (c *change) apply() {
	c.done = true
	switch c.kind {
	case changeNames:
		for _, l := range c.links {
			if l.node == nil {
				delete(l.dir.stable, l.name)
			} else {
				l.dir.stable[l.name] = l.node
			}
		}
	case changeBytes:
		c.put(c.off, c.bytes)
	case changeLength:
		c.node.disk = resized(c.node.disk, c.length)
	}
}

// put writes bytes on the platter as far as the file's length there goes: what lies beyond it is lost. A length that was made before the bytes
// comes before them in the order of changes.
func (c *change) put(off int64, p []byte) {
	if off < int64(len(c.node.disk)) {
		copy(c.node.disk[off:], p)
	}
}

// tear lets some sectors of c reach the platter. Nothing may come after it on its page, since c is not done.
func (c *change) tear(rng func(int) int) {
	for at := int64(0); at < int64(len(c.bytes)); {
		next := min((c.off+at)/sectorSize*sectorSize+sectorSize-c.off, int64(len(c.bytes)))
		if rng(2) == 0 {
			c.put(c.off+at, c.bytes[at:next])
		}
		at = next
	}
}

func resized(p []byte, length int64) []byte {
	if length <= int64(len(p)) {
		return p[:length:length]
	}
	return append(p, make([]byte, length-int64(len(p)))...)
}

// add makes c pending, after all pending operations that it depends on.
func (d *Disk) add(c *change) {
	list := &d.naming
	if c.node != nil {
		list = &c.node.waiting
		if !c.node.dirty {
			c.node.dirty = true
			d.dirty = append(d.dirty, c.node)
		}
	}
	for _, p := range *list {
		if depends(c, p) {
			c.after = append(c.after, p)
		}
	}
	*list = append(*list, c)
}

// depends reports whether c must not reach the platter before the earlier p.
func depends(c, p *change) bool {
	switch {
	case c.kind == changeNames && p.kind == changeNames:
		for _, l := range c.links {
			for _, e := range p.links {
				if l.dir == e.dir && l.name == e.name {
					return true
				}
				if l.node == nil && len(c.links) == 1 && e.dir == l.dir.names[l.name] {
					return true // removal of the directory that p changed names in
				}
			}
		}
		return false
	case c.kind == changeBytes && p.kind == changeBytes:
		return c.off/pageSize == p.off/pageSize
	case c.kind == changeLength:
		return p.kind == changeLength
	default: // bytes after a length
		return p.cut
	}
}

// carryNames carries a directory's names over, and before each what it depends on.
func (d *Disk) carryNames(dir *node) {
	for _, c := range d.naming {
		if c.covers == dir {
			c.carry()
		}
	}
	d.naming = slices.DeleteFunc(d.naming, func(c *change) bool { return c.done })
}

func (c *change) carry() {
	if c.done {
		return
	}
	for _, a := range c.after {
		a.carry()
	}
	c.after = nil
	c.apply()
}

// loseNames takes a directory's changes off the list without carrying them over: the page cache calls them clean.
func (d *Disk) loseNames(dir *node) {
	d.naming = slices.DeleteFunc(d.naming, func(c *change) bool {
		if c.covers == dir {
			c.done = true // what comes later need not wait for it
		}
		return c.done
	})
}

// settle ends the wait of a file's changes: each is carried over, or called clean and lost.
func (d *Disk) settle(n *node, carry bool) {
	for _, c := range n.waiting {
		if carry {
			c.apply()
		}
		c.done = true
	}
	n.waiting, n.dirty = nil, false
	d.dirty = slices.DeleteFunc(d.dirty, func(o *node) bool { return o == n })
}

// settleAll ends the wait of all that is pending: it is carried over, or called clean and lost.
func (d *Disk) settleAll(carry bool) {
	for _, n := range d.mapped {
		d.capture(n)
	}
	for _, c := range d.naming {
		if carry {
			c.carry()
		}
		c.done = true
	}
	d.naming = nil
	for len(d.dirty) > 0 {
		d.settle(d.dirty[0], carry)
	}
}
