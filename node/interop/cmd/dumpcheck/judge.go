package main

import (
	"bufio"
	"bytes"
	bigendian "encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"odradek/node/interop/brokers"
)

// tool runs Apache Kafka's DumpLogSegments.
type tool struct{ classpath string }

// filesPerRun keeps the list of files within what one argument may hold.
const filesPerRun = 400

// complaints are words by which the tool says on stdout that something is wrong, in lower case. Payloads are not searched.
var complaints = []string{"mismatch", "out of order", "exception", "isvalid: false", "invalid", "missing", "corrupt", "not found", "error", "could not"}

// dump runs the tool over files and returns the lines it prints. It must end with code 0, say nothing on stderr and not complain on stdout.
func (t *tool) dump(files []string, flags ...string) (lines []string, err error) {
	for chunk := range slices.Chunk(files, filesPerRun) {
		cmd := brokers.Java(t.classpath, "org.apache.kafka.tools.DumpLogSegments", append(slices.Clone(flags), "--files", strings.Join(chunk, ","))...)
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("DumpLogSegments %v: %w\n%s", flags, err, tail(said.String()+out.String()))
		}
		if rest := withoutFirstOffsets(said.String()); rest != "" {
			return nil, fmt.Errorf("DumpLogSegments %v says on stderr:\n%s", flags, tail(rest))
		}
		file := ""
		for s := bufio.NewScanner(bytes.NewReader(out.Bytes())); s.Scan(); {
			line := s.Text()
			lines = append(lines, line)
			if name, ok := strings.CutPrefix(line, "Dumping "); ok {
				file = name
				continue
			}
			low := strings.ToLower(line)
			if i := slices.IndexFunc(complaints, func(c string) bool { return strings.Contains(low, c) }); i >= 0 && !strings.HasPrefix(line, "|") {
				return nil, fmt.Errorf("%s: DumpLogSegments complains: %s", file, line)
			}
		}
	}
	return lines, nil
}

// withoutFirstOffsets takes out of the tool's stderr what it says of intact segments, Kafka's own too: of every one that does not begin at offset 0 it holds
// the offset before the first record for -1, and of a compacted one it names every gap. Exactly that, and only with the offset that the file's name says.
func withoutFirstOffsets(said string) string {
	var rest []string
	lines := strings.Split(strings.TrimRight(said, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		name, ok := strings.CutPrefix(lines[i], "Non-consecutive offsets in ")
		if !ok {
			rest = append(rest, lines[i])
			continue
		}
		var base, from, to int64
		_, err := fmt.Sscanf(filepath.Base(name), "%d.log", &base)
		kept := lines[i]
		for i+1 < len(lines) && err == nil {
			if n, _ := fmt.Sscanf(lines[i+1], "  %d is followed by %d", &from, &to); n != 2 {
				break
			}
			i++
			if !compacted(filepath.Base(filepath.Dir(name))) && (from != -1 || to != base) {
				kept += "\n" + lines[i]
			}
		}
		if strings.Contains(kept, "\n") {
			rest = append(rest, kept)
		}
	}
	return strings.Join(rest, "\n")
}

// compacted tells the folders that Kafka's cleaner may make gaps in.
func compacted(folder string) bool {
	return strings.HasPrefix(folder, "compacted-") || strings.HasPrefix(folder, "__consumer_offsets-") || strings.HasPrefix(folder, "__transaction_state-")
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

// sums is what was read.
type sums struct{ logs, batches, records, metadata, checkpoints, others int }

// judge dumps every file of the directory and compares what is printed with what was written.
func (t *tool) judge(data string, w *written) (s sums, err error) {
	var logs, metadata, indexes, snapshots []string
	files, err := filepath.Glob(filepath.Join(data, "*-*", "*"))
	if err != nil {
		return s, err
	}
	slices.Sort(files)
	for _, f := range files {
		folder := filepath.Base(filepath.Dir(f))
		switch ext := filepath.Ext(f); {
		case strings.HasSuffix(folder, "-delete"): // its removal has begun: any part of it may be gone
		case ext == ".index" || ext == ".timeindex":
			indexes = append(indexes, f)
		case ext == ".snapshot" || ext == ".txnindex":
			snapshots = append(snapshots, f)
		case folder == metadataFolder && (ext == ".log" || ext == ".checkpoint"):
			metadata = append(metadata, f)
			if ext == ".checkpoint" {
				s.checkpoints++
			}
		case ext == ".log":
			if _, ok := w.logs[folder]; !ok {
				return s, fmt.Errorf("%s belongs to no topic that is there", f)
			}
			logs = append(logs, f)
		}
	}
	if s.checkpoints == 0 {
		return s, fmt.Errorf("no snapshot of the metadata was written")
	}
	lines, err := t.dump(logs, "--deep-iteration", "--print-data-log")
	if err == nil {
		err = w.compare(lines, &s)
	}
	if err != nil {
		return s, err
	}
	s.logs = len(logs)
	if lines, err = t.dump(metadata, "--cluster-metadata-decoder"); err == nil {
		err = w.compareMetadata(lines, &s)
	}
	if err != nil {
		return s, err
	}
	// Indexes are compared with their logs entry by entry, then once more as a broker does at its start.
	if _, err = t.dump(indexes); err == nil {
		_, err = t.dump(indexes, "--index-sanity-check")
	}
	if err == nil {
		_, err = t.dump(snapshots)
	}
	s.others = len(indexes) + len(snapshots)
	return s, err
}

const metadataFolder = "__cluster_metadata-0"

// walk follows the printed lines of .log files: every batch must begin where the one before it ended, every record follow the one before it.
type walk struct {
	folder  string
	next    int64 // offset that the next batch begins with
	record  int64 // offset of the next record
	started map[string]int64
}

// line takes one printed line in; kind is 'b' for a batch, 'r' for a record, 0 for others.
func (k *walk) line(line string) (kind byte, err error) {
	if name, ok := strings.CutPrefix(line, "Dumping "); ok {
		if k.folder != "" {
			k.started[k.folder] = k.next
		}
		k.folder = filepath.Base(filepath.Dir(name))
		k.next = k.started[k.folder]
		k.record = k.next
		var base int64
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.", &base); err != nil || base != k.next {
			return 0, fmt.Errorf("%s: the segment before it ended at %d", name, k.next)
		}
		return 0, nil
	}
	var base, last, count, offset int64
	if _, err := fmt.Sscanf(line, "baseOffset: %d lastOffset: %d count: %d", &base, &last, &count); err == nil {
		if base != k.next || last-base+1 != count || k.record != k.next {
			return 0, fmt.Errorf("%s: offset %d and record %d were due: %s", k.folder, k.next, k.record, line)
		}
		k.next = last + 1
		return 'b', nil
	}
	if _, err := fmt.Sscanf(line, "| offset: %d", &offset); err == nil {
		if offset != k.record || offset >= k.next {
			return 0, fmt.Errorf("%s: record %d was due: %s", k.folder, k.record, line)
		}
		k.record++
		return 'r', nil
	}
	return 0, nil
}

// compare demands that the printed records are those produced, at their offsets, and that none is absent.
func (w *written) compare(lines []string, s *sums) error {
	k := walk{started: map[string]int64{}}
	for _, line := range lines {
		kind, err := k.line(line)
		if err != nil {
			return err
		}
		switch kind {
		case 'b':
			s.batches++
		case 'r':
			s.records++
			want := w.logs[k.folder]
			at := k.record - 1
			if at >= int64(len(want)) {
				return fmt.Errorf("%s: %d records were produced, yet: %s", k.folder, len(want), line)
			}
			if e := want[at]; !strings.HasSuffix(line, " key: "+e.key+" payload: "+e.value) {
				return fmt.Errorf("%s: produced at %d was key %q, value %q; printed: %s", k.folder, at, e.key, e.value, line)
			}
		}
	}
	k.started[k.folder] = k.next
	for folder, want := range w.logs {
		if got := k.started[folder]; got != int64(len(want)) {
			return fmt.Errorf("%s: %d records were produced, the files end at offset %d", folder, len(want), got)
		}
	}
	return nil
}

// compareMetadata demands the records of every topic made and removed.
func (w *written) compareMetadata(lines []string, s *sums) error {
	k := walk{started: map[string]int64{}}
	types := map[string]int{}
	checkpoint := false // a snapshot's offsets are its own
	for _, line := range lines {
		if name, ok := strings.CutPrefix(line, "Dumping "); ok {
			checkpoint = strings.HasSuffix(name, ".checkpoint")
		}
		if checkpoint {
			continue
		}
		kind, err := k.line(line)
		if err != nil {
			return err
		}
		if kind != 'r' {
			continue
		}
		s.metadata++
		if _, after, ok := strings.Cut(line, ` payload: {"type":"`); ok {
			kind, _, _ := strings.Cut(after, `"`)
			types[kind]++
		} else if strings.Contains(line, " LeaderChange: ") {
			types["LEADER_CHANGE"]++
		} else {
			return fmt.Errorf("a metadata record that the tool does not decode: %s", line)
		}
	}
	for kind, want := range map[string]int{
		"TOPIC_RECORD": w.topics, "REMOVE_TOPIC_RECORD": w.removed, "PARTITION_RECORD": w.partitioned, "LEADER_CHANGE": 2,
	} {
		if types[kind] != want {
			return fmt.Errorf("%d %s in the metadata log, want %d", types[kind], kind, want)
		}
	}
	return nil
}

// bites flips one byte of a file of each kind, in a copy, and demands that the check then fails, and that of `odradek dump --verify` too.
func (t *tool) bites(binary, data, dir string, w *written) error {
	var victims []string
	for _, c := range codecs {
		victims = append(victims, "idempotent-"+c+"-0/*.log")
	}
	for _, pattern := range append(victims, "plain-none-0/*.index", "plain-none-0/*.timeindex", "idempotent-none-0/*.snapshot", metadataFolder+"/*.checkpoint") {
		files, _ := filepath.Glob(filepath.Join(data, pattern))
		files = slices.DeleteFunc(files, func(f string) bool { st, err := os.Stat(f); return err != nil || st.Size() < 24 })
		if len(files) == 0 {
			fmt.Printf("no %s to damage: not shown\n", pattern)
			continue
		}
		file := files[len(files)/2]
		if err := t.bite(binary, file, dir, w); err != nil {
			return err
		}
	}
	return nil
}

// bite damages a copy of the folder that file lies in: with one flipped byte in file, it must not pass.
func (t *tool) bite(binary, file, dir string, w *written) error {
	folder := filepath.Dir(file)
	copied := filepath.Join(dir, "damaged", filepath.Base(folder))
	defer os.RemoveAll(filepath.Dir(copied))
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		return err
	}
	victim := filepath.Join(copied, filepath.Base(file))
	content, err := os.ReadFile(victim)
	if err != nil {
		return err
	}
	at := (61 + 12 + int(bigendian.BigEndian.Uint32(content[8:]))) / 2 // amid the first batch's records: what the CRC covers
	if ext := filepath.Ext(file); ext == ".index" {
		at = 7 // the first entry's position
	} else if ext == ".timeindex" {
		at = 11 // the first entry's offset
	} else if ext == ".snapshot" {
		at = 20 // the first entry's
	}
	content[at] ^= 1
	name := filepath.Base(folder) + "/" + filepath.Base(file)
	if err := os.WriteFile(victim, content, 0o644); err != nil {
		return err
	}
	if err := exec.Command(binary, "dump", "--verify", copied).Run(); err == nil {
		return fmt.Errorf("%s with byte %d flipped passes odradek dump --verify", name, at)
	}
	only := &written{logs: map[string][]entry{filepath.Base(folder): w.logs[filepath.Base(folder)]}}
	if err := t.only(filepath.Dir(copied), victim, only); err == nil {
		return fmt.Errorf("%s with byte %d flipped passes: the check does not bite", name, at)
	} else {
		said := strings.ReplaceAll(strings.Join(strings.Fields(err.Error()), " "), filepath.Dir(copied)+"/", "")
		fmt.Printf("%s with byte %d flipped fails: %.240s\n", name, at, said)
	}
	return nil
}

// only judges a damaged copy: its logs, and the damaged file if that is none.
func (t *tool) only(data, victim string, w *written) error {
	if filepath.Ext(victim) != ".log" {
		_, err := t.dump([]string{victim})
		return err
	}
	logs, err := filepath.Glob(filepath.Join(data, "*", "*.log"))
	if err != nil {
		return err
	}
	lines, err := t.dump(logs, "--deep-iteration", "--print-data-log")
	if err != nil {
		return err
	}
	return w.compare(lines, &sums{})
}
