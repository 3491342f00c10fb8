package segment

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"sync"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// StreamsFile lies at the root of a log directory. Its first line is the version of the directory's format, which an older binary refuses if it is newer. Then each
// line names a stream that was made (+) or struck out (-); it ends with the CRC-32C of what is before it:
//
//	odradek 1
//	+ <topic id> <partition> <topic> <crc>
//	- <topic id> <partition> <topic> <crc>
//
// Invariant: before Create of a stream returns, its line is durable; before its folder goes, so is the line that strikes it out. So a listed stream without a
// folder has lost it.
const StreamsFile = "odradek-streams"

// FormatVersion is the newest format of directories that this code reads, and the one it writes.
const FormatVersion = 1

const streamsHeader = "odradek "

// streamList is the file as it stands. Dirs that Part made share it.
type streamList struct {
	mu sync.Mutex // guards it from Enlist on

	known   bool // the file was there: the directory is ours
	streams map[stream.ID]string
	lines   int   // in the file
	size    int64 // bytes of good lines
	torn    bool  // something follows them
}

// ListedStream is one stream of the list.
type ListedStream struct {
	ID    stream.ID
	Topic string
}

// ParseStreams reads the file and returns the streams in it, sorted, its lines and the bytes of good ones: a crash may leave a line whose append was never
// synced. The error says what to do.
func ParseStreams(text []byte) (list []ListedStream, lines int, good int64, err error) {
	streams, lines, good, err := parseStreams(text)
	for _, id := range sortedStreams(streams) {
		list = append(list, ListedStream{id, streams[id]})
	}
	return list, lines, good, err
}

func parseStreams(text []byte) (streams map[stream.ID]string, lines int, good int64, err error) {
	first, _, ok := bytes.Cut(text, []byte("\n"))
	version, is := strings.CutPrefix(string(first), streamsHeader)
	n, numErr := strconv.Atoi(version)
	if !ok || !is || numErr != nil {
		return nil, 0, 0, fmt.Errorf("%s: it does not begin with the format of the directory: restore the file, or remove it if all folders are there", StreamsFile)
	}
	if n > FormatVersion {
		return nil, 0, 0, fmt.Errorf("%s: the directory has format %d, this binary knows %d: start the newer Odradek that wrote it", StreamsFile, n, FormatVersion)
	}
	streams, good = map[stream.ID]string{}, int64(len(first)+1)
	bad := false
	for rest := text[good:]; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		id, topic, add, err := parseStreamLine(line)
		switch {
		case err != nil || !whole:
			bad = true
		case bad:
			return nil, 0, 0, fmt.Errorf("%s at %d: a line is damaged and good ones follow: restore the file, or remove it if all folders are there", StreamsFile, good)
		default:
			lines, good = lines+1, good+int64(len(line)+1)
			if delete(streams, id); add {
				streams[id] = topic
			}
		}
		rest = after
	}
	return streams, lines, good, nil
}

func parseStreamLine(line []byte) (id stream.ID, topic string, add bool, err error) {
	f := strings.Split(string(line), " ")
	if len(f) != 5 || f[0] != "+" && f[0] != "-" {
		return id, "", false, errors.New("not five words")
	}
	if sum := streamCRC(line[:len(line)-len(f[4])-1]); sum != f[4] {
		return id, "", false, errors.New("wrong CRC")
	}
	partition, err := strconv.ParseInt(f[2], 10, 32)
	if err != nil {
		return id, "", false, err
	}
	id.Partition = int32(partition)
	id.Topic, err = record.ParseUUID(f[1])
	return id, f[3], f[0] == "+", err
}

func streamCRC(line []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(line, castagnoli)) }

func appendStreamLine(dst []byte, sign string, id stream.ID, topic string) []byte {
	line := fmt.Appendf(nil, "%s %s %d %s", sign, id.Topic, id.Partition, topic)
	return append(append(append(append(dst, line...), ' '), streamCRC(line)...), '\n')
}

// CheckFormat refuses a directory that a newer binary wrote. It touches nothing.
func (d *Dir) CheckFormat() error {
	text, err := readSmall(d.fs, StreamsFile, false)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, _, _, err = parseStreams(text)
	}
	return err
}

// readList reads the file of streams. A directory without one is Kafka's, or new.
func (d *Dir) readList() error {
	text, err := d.ReadSlot(StreamsFile)
	if errors.Is(err, vfs.ErrNotExist) {
		d.list = &streamList{streams: map[stream.ID]string{}}
		return nil
	}
	if err != nil {
		return err
	}
	l := &streamList{known: true}
	if l.streams, l.lines, l.size, err = parseStreams(text); err != nil {
		return err
	}
	l.torn = l.size < int64(len(text))
	d.list = l
	return nil
}

// Enlist ends the recovery of a directory: every log that was added is in the list of streams from here on, durably. It returns an Opened for each listed stream
// whose folder was not found: it is damaged, not new.
func (d *Dir) Enlist() ([]Found, error) {
	if d.list.streams == nil { // nothing was recovered
		if err := d.readList(); err != nil {
			return nil, err
		}
	}
	var lost []Found
	for _, id := range sortedStreams(d.list.streams) {
		if d.logs[id] != nil {
			continue
		}
		topic := d.list.streams[id]
		folder := folderName(topic, id.Partition)
		l := &Log{id: id, topic: topic, folder: folder, missing: true}
		if d.logs[id] = l; d.folders[folder] == nil {
			d.folders[folder] = l
		}
		end := max(d.marks.points[folder], d.marks.watermarks[folder], d.marks.starts[folder])
		lost = append(lost, Found{Stream: id, Opened: &core.Opened{
			Dir: d.id, Exists: true, Topic: topic, LogStart: d.marks.starts[folder], LogEnd: end, Durable: end, HighWatermark: max(d.marks.watermarks[folder], d.marks.starts[folder]),
			Damage: fmt.Sprintf("folder %s, or its %s, is lost: restore it, or delete the topic", folder, metadataFile)}})
		l.next = end
	}
	fresh := 0
	for id := range d.logs { // any order: counted
		if _, ok := d.list.streams[id]; !ok {
			fresh++
		}
	}
	if fresh > 0 || !d.list.known || d.list.torn || d.list.lines > 2*len(d.logs)+100 {
		return lost, d.writeList()
	}
	return lost, nil
}

// Found is a stream that recovery tells the core of.
type Found struct {
	Stream stream.ID
	Opened *core.Opened
}

// writeList writes the file anew: the streams that are in the directory.
func (d *Dir) writeList() error {
	text := []byte(streamsHeader + strconv.Itoa(FormatVersion) + "\n")
	d.list.known, d.list.torn, d.list.streams = true, false, map[stream.ID]string{}
	for _, id := range d.Streams() {
		text = appendStreamLine(text, "+", id, d.logs[id].topic)
		d.list.streams[id] = d.logs[id].topic
	}
	d.list.lines, d.list.size = len(d.logs), int64(len(text))
	return d.WriteSlot(core.Store{Slot: core.Slot{Dir: d.id, Name: StreamsFile}, Bytes: text})
}

// enlist adds lines to the file, durably. Caller holds list.mu.
func (d *Dir) enlist(lines []byte, n int) error {
	if !d.list.known {
		return d.writeList() // a directory that was never recovered: tests and tools
	}
	err := d.onFile(StreamsFile, func(file vfs.File) error {
		if err := writeWhole(file, lines, d.list.size); err != nil {
			return err
		}
		return file.SyncData()
	})
	d.list.lines, d.list.size = d.list.lines+n, d.list.size+int64(len(lines))
	return err
}

// strike takes a stream out of the list, durably.
func (d *Dir) strike(l *Log) error {
	d.list.mu.Lock()
	defer d.list.mu.Unlock()
	if _, ok := d.list.streams[l.id]; !ok {
		return nil
	}
	delete(d.list.streams, l.id)
	return d.enlist(appendStreamLine(nil, "-", l.id, l.topic), 1)
}

func sortedStreams(m map[stream.ID]string) []stream.ID {
	ids := make([]stream.ID, 0, len(m))
	for id := range m { // any order: sorted below
		ids = append(ids, id)
	}
	slices.SortFunc(ids, compareIDs)
	return ids
}
