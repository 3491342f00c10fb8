package core

import (
	"fmt"
	"strconv"
	"strings"

	"odradek/core/record"
)

// Kafka's small files of a log directory (FEATURES §4). Each checkpoint has an entry for each partition that has something to say.
const (
	LogStartCheckpoint      = "log-start-offset-checkpoint"      // log starts that are no segment's base: what DeleteRecords promised
	RecoveryPointCheckpoint = "recovery-point-offset-checkpoint" // what lies below needs no reading at a start
	HighWatermarkCheckpoint = "replication-offset-checkpoint"    // what was committed, and durable here
	CleanMark               = ".kafka_cleanshutdown"             // the last stop was clean
)

// CheckpointEntry is one line of a checkpoint.
type CheckpointEntry struct {
	Topic     string
	Partition int32
	Offset    record.Offset
}

// FormatCheckpoint writes Kafka's text form: the version 0, the number of entries, an entry a line.
func FormatCheckpoint(entries []CheckpointEntry) []byte {
	var lines []byte
	for i := range entries {
		lines = entries[i].append(lines)
	}
	return checkpointText(len(entries), lines)
}

// append writes e as one line of a checkpoint.
func (e *CheckpointEntry) append(dst []byte) []byte {
	dst = append(append(dst, e.Topic...), ' ')
	dst = append(strconv.AppendInt(dst, int64(e.Partition), 10), ' ')
	return append(strconv.AppendInt(dst, int64(e.Offset), 10), '\n')
}

// checkpointText puts the version and the number of entries in front of their lines.
func checkpointText(count int, lines []byte) []byte {
	out := strconv.AppendInt(append(make([]byte, 0, len(lines)+16), "0\n"...), int64(count), 10)
	return append(append(out, '\n'), lines...)
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
