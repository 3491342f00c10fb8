package core

import (
	"fmt"
	"strconv"
	"strings"

	"odradek/core/record"
)

// LogStartCheckpoint is the file of a log directory that holds the log starts which are no segment's base: what DeleteRecords promised (FEATURES §4).
const LogStartCheckpoint = "log-start-offset-checkpoint"

// CheckpointEntry is one line of a checkpoint.
type CheckpointEntry struct {
	Topic     string
	Partition int32
	Offset    record.Offset
}

// FormatCheckpoint writes Kafka's text form: the version 0, the number of entries, an entry a line.
func FormatCheckpoint(entries []CheckpointEntry) []byte {
	out := append(strconv.AppendInt([]byte("0\n"), int64(len(entries)), 10), '\n')
	for _, e := range entries {
		out = append(append(out, e.Topic...), ' ')
		out = append(strconv.AppendInt(out, int64(e.Partition), 10), ' ')
		out = append(strconv.AppendInt(out, int64(e.Offset), 10), '\n')
	}
	return out
}

// ParseCheckpoint reads Kafka's text form. The error says which line is wrong. An empty file is none that was cut short, for it is replaced whole: Kafka
// makes it so at its first start and may end before it writes anything.
func ParseCheckpoint(text []byte) ([]CheckpointEntry, error) {
	if len(text) == 0 {
		return nil, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) < 2 || lines[0] != "0" {
		return nil, fmt.Errorf("line 1: a checkpoint begins with its version, 0")
	}
	n, err := strconv.Atoi(lines[1])
	if err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("line 2: %q entries are announced, %d follow", lines[1], len(lines)-2)
	}
	var entries []CheckpointEntry
	for i, line := range lines[2:] {
		f := strings.Split(line, " ")
		if len(f) != 3 || f[0] == "" {
			return nil, fmt.Errorf("line %d: %q is not topic, partition, offset", i+3, line)
		}
		partition, err1 := strconv.ParseInt(f[1], 10, 32)
		offset, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil || partition < 0 || offset < 0 {
			return nil, fmt.Errorf("line %d: %q is not topic, partition, offset", i+3, line)
		}
		entries = append(entries, CheckpointEntry{f[0], int32(partition), record.Offset(offset)})
	}
	return entries, nil
}
