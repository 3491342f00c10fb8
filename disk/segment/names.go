package segment

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"odradek/core/record"
	"odradek/core/stream"
)

// Names of Kafka's files (FEATURES §4).
const (
	metadataFile    = "partition.metadata"
	logSuffix       = ".log"
	indexSuffix     = ".index"
	timeIndexSuffix = ".timeindex"
	deletedSuffix   = ".deleted" // a file that Kafka was about to remove
	cleanedSuffix   = ".cleaned" // a compaction that never finished
	tmpSuffix       = ".tmp"     // a Store that never finished
	deleteSuffix    = "-delete"  // a folder whose removal has begun
	nameMax         = 255        // longest file name
)

func folderName(topic string, partition int32) string {
	return topic + "-" + strconv.Itoa(int(partition))
}

// deletedName is <topic>-<partition>.<32 hex>-delete. Kafka draws the 32 digits at random; the topic id, never reused, makes the name
// unique without a draw. The topic is cut so that the name stays a file name.
func deletedName(topic string, id stream.ID) string {
	tail := fmt.Sprintf("-%d.%x%s", id.Partition, id.Topic[:], deleteSuffix)
	return topic[:min(len(topic), nameMax-len(tail))] + tail
}

// parseFolder splits <topic>-<partition> at the last dash; ok is false for every other name.
func parseFolder(name string) (topic string, partition int32, ok bool) {
	dash := strings.LastIndexByte(name, '-')
	if dash <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != name[dash+1:] {
		return "", 0, false
	}
	return name[:dash], int32(n), true
}

func logName(base record.Offset) string { return fmt.Sprintf("%020d%s", int64(base), logSuffix) }

func indexName(base record.Offset) string { return fmt.Sprintf("%020d%s", int64(base), indexSuffix) }

func timeIndexName(base record.Offset) string {
	return fmt.Sprintf("%020d%s", int64(base), timeIndexSuffix)
}

func parseLog(name string) (base record.Offset, ok bool) {
	digits, found := strings.CutSuffix(name, logSuffix)
	if !found || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return record.Offset(n), err == nil && n >= 0
}

func partitionMetadata(topic record.UUID) []byte {
	return []byte("version: 0\ntopic_id: " + topic.String() + "\n")
}

// parsePartitionMetadata reads the two lines; anything else is an error, for example the empty file that a power loss leaves.
func parsePartitionMetadata(text []byte) (record.UUID, error) {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) != 2 || lines[0] != "version: 0" || !strings.HasPrefix(lines[1], "topic_id: ") {
		return record.UUID{}, errors.New("want the two lines \"version: 0\" and \"topic_id: <id>\"")
	}
	id, err := record.ParseUUID(strings.TrimPrefix(lines[1], "topic_id: "))
	if err == nil && id.IsZero() {
		err = errors.New("topic_id is zero, which names nothing")
	}
	return id, err
}
