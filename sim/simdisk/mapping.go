package simdisk

import (
	"bytes"
	"fmt"
	"slices"

	"odradek/disk/vfs"
)

// mapping is a file's bytes in the page cache as memory.
type mapping struct {
	file  *File
	bytes []byte
	gone  bool
}

// Map gives the first bytes of the page cache away.
func (f *File) Map(length int64) (vfs.Mapping, error) {
	if err := f.begin(OpMap, length, 0); err != nil {
		return nil, err
	}
	n, d := f.node, f.fs.disk
	if length > int64(len(n.data)) {
		return nil, fmt.Errorf("map %d bytes of %s: %w: it has %d", length, n.path, vfs.ErrIO, len(n.data))
	}
	if n.mappings == 0 {
		n.captured = slices.Clone(n.data)
		d.mapped = append(d.mapped, n)
	}
	n.mappings++
	return &mapping{file: f, bytes: n.data[:length:length]}, nil
}

func (m *mapping) Bytes() []byte { return m.bytes }

// Unmap is no file operation: nothing can fail in it.
func (m *mapping) Unmap() error {
	n, d := m.file.node, m.file.fs.disk
	if m.gone {
		return fmt.Errorf("unmap %s: %w: unmapped already", n.path, vfs.ErrIO)
	}
	m.gone, m.bytes = true, nil
	if m.file.fs.mount != d.mount {
		return nil
	}
	d.capture(n)
	if n.mappings--; n.mappings == 0 {
		n.captured = nil
		d.mapped = slices.DeleteFunc(d.mapped, func(o *node) bool { return o == n })
	}
	return nil
}

// capture makes pending what was stored through mappings since the last time.
func (d *Disk) capture(n *node) {
	size := min(len(n.data), len(n.captured))
	for page := 0; page < size; page += pageSize {
		end := min(page+pageSize, size)
		if bytes.Equal(n.data[page:end], n.captured[page:end]) {
			continue
		}
		from, to := end, page // the run of sectors that differ
		for at := page; at < end; at += sectorSize {
			next := min(at+sectorSize, end)
			if !bytes.Equal(n.data[at:next], n.captured[at:next]) {
				from, to = min(from, at), next
			}
		}
		d.add(&change{kind: changeBytes, node: n, off: int64(from), bytes: slices.Clone(n.data[from:to])})
		copy(n.captured[from:to], n.data[from:to])
	}
}

// recapture takes note of what the file has now, after a write or a cut that is pending by itself.
func (n *node) recapture() {
	if n.mappings > 0 {
		n.captured = append(n.captured[:0], n.data...)
	}
}

// unmapAll ends the mappings of a process that has died: what it stored before is in the page cache, what it stores from now on is lost.
func (d *Disk) unmapAll() {
	for _, n := range d.mapped {
		d.capture(n)
		n.data, n.captured, n.mappings = slices.Clone(n.data), nil, 0
	}
	d.mapped = nil
}
