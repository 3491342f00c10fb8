package record

import "encoding/binary"

// skimShort is skim for a record as nearly all are: no varint takes more than three bytes, and there are no headers. Checking what is produced is mostly this, so
// nothing is called in it. ok is false for any other record, good or not, and for one that ends the batch and is tiny: skim judges those.
func skimShort(raw []byte, pos int) (timestampDelta int64, offsetDelta int32, hasKey bool, next int, ok bool) {
	const ahead = 1 + 4*3 + 1 // attributes, four varints, and the byte that short looks at beyond the last one
	if pos > len(raw)-ahead {
		return 0, 0, false, 0, false
	}
	length, p := short(raw, pos)
	end := p + int(length>>1)
	timestamp, p := short(raw, p+1)
	offset, p := short(raw, p)
	key, p := short(raw, p)
	if p += behind(key); p > len(raw)-4 {
		return 0, 0, false, 0, false
	}
	value, p := short(raw, p)
	p += behind(value)
	if p+1 != end || end > len(raw) || raw[p] != 0 || length&1 != 0 {
		return 0, 0, false, 0, false
	}
	return int64(timestamp>>1) ^ -int64(timestamp&1), int32(offset>>1) ^ -int32(offset&1), key != 1, end, true
}

// longer is for what short does not read. As a length it is more than a record has whose own length short reads; as anything else it is read again as what
// follows, which ends at a length.
const longer = 1 << 30

// short reads a varint of one to three bytes, still zig-zag, and the position after it, or longer and the position as it was.
func short(raw []byte, pos int) (u uint32, next int) {
	w := binary.LittleEndian.Uint32(raw[pos:])
	if w&0x80 == 0 {
		return w & 0x7f, pos + 1
	}
	if w&0x8000 == 0 {
		return w&0x7f | w>>1&0x3f80, pos + 2
	}
	if w&0x800000 == 0 {
		return w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000, pos + 3
	}
	return longer, pos
}

// behind is how many bytes follow a length: none if it is 1, which is -1 and means null.
func behind(length uint32) int {
	switch {
	case length&1 == 0:
		return int(length >> 1)
	case length == 1:
		return 0
	}
	return longer
}
