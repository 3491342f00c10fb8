package linearizability

// chain is a log that never changes: appending makes a new one that shares everything. Each link knows one near and one far ancestor (Myers, "An applicative
// random-access stack", 1983), so an offset is found in a number of steps that grows with the logarithm of the length.
type chain struct {
	base   int64
	values []uint64 // of the offsets from base on; none: a jump to base
	tail   int64
	hash   uint64 // of everything, in order
	links  int
	before *chain
	far    *chain
}

var empty = &chain{}

// mix is the finalizer of splitmix64 (Steele, Lea and Flood, 2014): it spreads every bit.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// add returns the log with values from offset base on, which is not below the tail.
func (c *chain) add(base int64, values []uint64) *chain {
	hash := mix(c.hash + 0x9e3779b97f4a7c15 ^ uint64(base))
	for _, v := range values {
		hash = mix(hash + 0x9e3779b97f4a7c15 ^ v)
	}
	link := &chain{base: base, values: values, tail: base + int64(len(values)), hash: hash, links: c.links + 1, before: c, far: c}
	if c.far != nil && c.far.far != nil && c.links-c.far.links == c.far.links-c.far.far.links {
		link.far = c.far.far
	}
	return link
}

// upTo returns the last link that begins at or below an offset.
func (c *chain) upTo(offset int64) *chain {
	for c.before != nil && c.base > offset {
		if c.far.base > offset {
			c = c.far
		} else {
			c = c.before
		}
	}
	return c
}

// at returns the value at an offset.
func (c *chain) at(offset int64) (uint64, bool) {
	c = c.upTo(offset)
	if offset < c.base || offset >= c.tail {
		return 0, false
	}
	return c.values[offset-c.base], true
}

// cut returns the log with nothing at or above an offset that is not above the tail.
func (c *chain) cut(end int64) *chain {
	for c.before != nil && c.base >= end {
		if c.far.base >= end {
			c = c.far
		} else {
			c = c.before
		}
	}
	if c.tail <= end || c.before == nil {
		return c
	}
	return c.before.add(c.base, c.values[:end-c.base])
}
