package brokers

import (
	"maps"
	"os"
	"path/filepath"
)

// StartBoth starts Apache Kafka and a node of ours below dir: kafkaOnly is set for Kafka in addition. end stops them, whatever came of it.
func StartBoth(binary, classpath, dir string, common, kafkaOnly map[string]string) (kafka, ours *Broker, end func(), err error) {
	for _, name := range []string{"kafka", "ours"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return nil, nil, func() {}, err
		}
	}
	set := maps.Clone(common)
	maps.Copy(set, kafkaOnly)
	kafka, err = StartKafka(classpath, filepath.Join(dir, "kafka"), set)
	if err == nil {
		ours, err = StartOdradek(binary, filepath.Join(dir, "ours"), common)
	}
	return kafka, ours, func() {
		for _, b := range []*Broker{kafka, ours} {
			if b != nil {
				b.End()
			}
		}
	}, err
}
