package dump

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"odradek/core/image"
	"odradek/core/record"
	"odradek/disk/segment"
)

// partitionMetadata reads partition.metadata: whose folder it is.
func (j *job) partitionMetadata() error {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) != 2 || lines[0] != "version: 0" || !strings.HasPrefix(lines[1], "topic_id: ") {
		return j.stop(0, `want the two lines "version: 0" and "topic_id: <id>", have %q`, text)
	}
	id, err := record.ParseUUID(strings.TrimPrefix(lines[1], "topic_id: "))
	if err != nil {
		return j.stop(int64(len(lines[0])+1), "topic_id: %v", err)
	}
	j.check(!id.IsZero(), int64(len(lines[0])+1), "topic_id is zero")
	j.show("partition", field{"topicid", id.String()})
	j.sum("partition.metadata", field{"topicid", id.String()})
	return nil
}

// properties reads meta.properties: whose log directory it is.
func (j *job) properties() error {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	p, err := segment.ParseProperties(text)
	if err != nil {
		return err
	}
	fields := []field{{"cluster", p.ClusterID}, {"node", p.NodeID}, {"directory", p.DirectoryID.String()}}
	j.show("properties", fields...)
	j.sum("meta.properties", fields...)
	return nil
}

// quorumState reads quorum-state: leader and vote of the metadata log.
func (j *job) quorumState() error {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	q, err := image.ParseQuorumState(text)
	if err != nil {
		return err
	}
	voters := rawJSON("null") // version 1 does not say
	if q.Voters != nil {
		voters = rawJSON(strings.Join(strings.Fields(fmt.Sprint(q.Voters)), ","))
	}
	fields := []field{{"epoch", q.Epoch}, {"leader", q.Leader}, {"voted", q.Voted}, {"voters", voters}, {"version", q.Version}}
	j.show("quorum", fields...)
	j.sum("quorum-state", fields...)
	return nil
}

// streams reads odradek-streams: the format of the directory and the streams that were made in it.
func (j *job) streams() error {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	streams, _, good, err := segment.ParseStreams(text)
	if err != nil {
		return err
	}
	for _, s := range streams {
		j.show("stream", field{"topicid", s.ID.Topic.String()}, field{"partition", s.ID.Partition}, field{"topic", s.Topic})
	}
	j.check(good == int64(len(text)), good, "%d bytes are no line: a crash may have left them", int64(len(text))-good)
	j.sum(segment.StreamsFile, field{"streams", len(streams)})
	return nil
}

// textCheckpoint reads a text checkpoint: the version, the number of entries, the entries, a line each.
func (j *job) textCheckpoint() error {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	if len(text) == 0 { // Kafka makes it so at its first start, before it has anything to write
		return nil
	}
	lines := strings.SplitAfter(string(text), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) < 2 || strings.TrimSpace(lines[0]) != "0" {
		return j.stop(0, "want version 0 and a number of entries on the first two lines")
	}
	at := int64(len(lines[0]))
	n, err := strconv.Atoi(strings.TrimSpace(lines[1]))
	if err != nil || n != len(lines)-2 {
		return j.stop(at, "%q entries, but %d lines follow", strings.TrimSpace(lines[1]), len(lines)-2)
	}
	epochs := filepath.Base(j.path) == "leader-epoch-checkpoint"
	at += int64(len(lines[1]))
	epoch, start := int64(-1), int64(-1)
	for _, line := range lines[2:] {
		words := strings.Fields(line)
		numbers := words[min(1, len(words)):] // after the topic
		if epochs {
			numbers = words
		}
		values := make([]int64, 0, 2)
		for _, w := range numbers {
			if v, err := strconv.ParseInt(w, 10, 64); err == nil {
				values = append(values, v)
			}
		}
		if len(values) != 2 || len(numbers) != 2 {
			return j.stop(at, "%q is no entry", strings.TrimSuffix(line, "\n"))
		}
		if epochs {
			j.show("epoch", field{"epoch", values[0]}, field{"start", values[1]})
			j.check(values[0] > epoch && values[1] > start, at, "epoch %d from offset %d does not follow epoch %d from %d", values[0], values[1], epoch, start)
			epoch, start = values[0], values[1]
		} else {
			j.show("offset", field{"topic", words[0]}, field{"partition", values[0]}, field{"offset", values[1]})
			j.check(values[0] >= 0 && values[1] >= 0, at, "partition %d, offset %d", values[0], values[1])
		}
		at += int64(len(line))
	}
	j.sum("checkpoint", field{"entries", n})
	return nil
}
