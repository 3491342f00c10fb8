package store

import (
	"errors"
	"fmt"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
	"odradek/disk/vfs"
)

// held is what the Store lends of one stream. Guarded by Store.mu, but for the constant lane.
type held struct {
	lane    *lane
	view    segment.View
	any     bool                      // view is set
	files   map[record.Offset]*handle // by base of the segment
	readers int                       // Locates and Loads that use a view of this stream
	dying   []*handle                 // gone and unpinned, but a reader's view may name them
	maps    []vfs.Mapping             // indexes that left the log, but a reader's view may name them
}

// handle is one open file. Invariant: it is closed once, after it is gone, no pin is left and no reader holds a view that may name it.
type handle struct {
	file vfs.File
	base record.Offset
	of   *held
	pins int
	gone bool
}

// Pin is a place in an open file that stays readable until Release. It holds no descriptor: a client that reads slowly would hold it for as long as it likes.
// Who sends the bytes Holds the file for the call.
type Pin struct {
	File vfs.File
	Off  int64
	Len  int64
	s    *Store
	h    *handle
}

// Pin opens an extent for reading: the file cannot be closed before Release, whatever becomes of the segment. An error if the segment is gone.
// After a Truncate the bytes may read short.
func (s *Store) Pin(x stream.Extent) (Pin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.streams[x.Stream]; of != nil {
		if h := of.files[x.Base]; h != nil {
			h.pins++
			return Pin{File: h.file, Off: int64(x.Pos), Len: int64(x.Len), s: s, h: h}, nil
		}
	}
	return Pin{}, fmt.Errorf("segment %d of stream %s is not there any more", x.Base, x.Stream)
}

// Release gives the extent back; once for each Pin.
func (p Pin) Release() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.h.pins--
	if p.h.pins < 0 {
		panic("a pin was released twice")
	}
	p.s.maybeClose(p.h)
}

// maybeClose closes a file that nobody can use any more. Caller holds mu.
func (s *Store) maybeClose(h *handle) {
	if !h.gone || h.pins > 0 {
		return
	}
	if h.of.readers > 0 {
		h.of.dying = append(h.of.dying, h)
		return
	}
	if _, open := s.handles[h.file]; open {
		delete(s.handles, h.file)
		s.janitor.close(h.file)
	}
}

// maybeUnmap gives indexes back that no reader can use any more. Caller holds mu.
func (of *held) maybeUnmap() {
	if of.readers > 0 {
		return
	}
	for _, m := range of.maps {
		_ = m.Unmap() // it can fail only if it was done before
	}
	of.maps = nil
}

// publishOps makes what operations changed visible to readers and pins. Caller holds dirMu; must come before their events are told.
func (l *lane) publishOps(ops []core.DiskOp) {
	ids := make([]stream.ID, 0, 8)
	for i := range ops {
		if n := len(ids); n == 0 || ids[n-1] != ops[i].Stream {
			ids = append(ids, ops[i].Stream)
		}
	}
	l.publish(ids)
}

// publish takes over changes of files, and new views of the streams. Caller holds dirMu (or is alone).
func (l *lane) publish(ids []stream.ID) {
	changes := l.dir.TakeChanges(nil)
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if !c.Gone && len(c.Maps) == 0 {
			of := s.streams[c.Stream]
			if of == nil {
				of = &held{lane: l, files: map[record.Offset]*handle{}}
				s.streams[c.Stream] = of
			}
			h := &handle{file: c.File, base: c.Base, of: of}
			of.files[c.Base], s.handles[c.File] = h, h
			continue
		}
		h := s.handles[c.File]
		h.of.maps = append(h.of.maps, c.Maps...)
		h.of.maybeUnmap()
		if !c.Gone {
			continue
		}
		if h.of.files[h.base] == h {
			delete(h.of.files, h.base)
		}
		h.gone = true
		s.maybeClose(h)
	}
	for _, id := range ids {
		of := s.streams[id]
		v, ok := l.dir.View(id)
		switch {
		case ok && of == nil: // recovered, without segments
			s.streams[id] = &held{lane: l, view: v, any: true, files: map[record.Offset]*handle{}}
		case ok:
			of.view, of.any = v, true
		case of != nil && l.dir.Err() == nil: // deleted: an id is never used again
			delete(s.streams, id)
		}
	}
}

// view lends a stream's view to a reader, who gives it back with unview.
func (s *Store) view(id stream.ID) (*held, segment.View, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.streams[id]
	if of == nil || !of.any {
		return nil, segment.View{}, false
	}
	of.readers++
	return of, of.view, true
}

func (s *Store) unview(of *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of.readers--
	if of.readers > 0 {
		return
	}
	of.maybeUnmap()
	dying := of.dying
	of.dying = nil
	for _, h := range dying {
		s.maybeClose(h)
	}
}

// closeHandles closes all files at the end; those that are pinned close with their last Release.
func (s *Store) closeHandles() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for file, h := range s.handles { // any order: each for itself
		h.gone = true
		if h.pins == 0 {
			delete(s.handles, file)
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}
