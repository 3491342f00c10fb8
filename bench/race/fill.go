package race

import (
	"time"

	"odradek/bench/cell"
	"odradek/bench/load"
	"odradek/bench/measure"
)

// fillMax bounds how long a topic is filled.
const fillMax = 10 * time.Minute

// filling is the load that fills topics: batches of 64 KB of records of 1 KB that do not compress.
func filling(partitions int) cell.Cell {
	c := cell.Default()
	c.Batch, c.Record, c.Payload, c.Partitions, c.Producers = 64<<10, 1000, "random", partitions, 8
	return c
}

// fill writes so many bytes to a topic, spread over its partitions.
func fill(topic string, leaders []string, bytes int64, c cell.Cell) error {
	l, err := load.New(load.Config{Cell: c, Topic: topic, Leaders: leaders, Length: fillMax, ValuesMax: bytes, Workers: 1, Seed: 1})
	if err != nil {
		return err
	}
	_, err = l.Run(measure.Now() + int64(5*time.Millisecond))
	return err
}
