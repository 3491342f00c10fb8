//go:build cgo

package interop

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func init() { rollingClients["librdkafka"] = rollingConfluent }

// rollingConfluent: librdkafka tells of every connection that ends, for information; what it gives up, and what is fatal, is an error of the application.
func rollingConfluent(bootstrap []string, topic string, sending context.Context) *application {
	a := newApplication()
	producer, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": strings.Join(bootstrap, ","), "enable.idempotence": true, "acks": "all", "log_level": 0})
	if err != nil {
		a.failed("producer", err)
		return a
	}
	defer producer.Close()
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": strings.Join(bootstrap, ","), "group.id": "none", "enable.auto.commit": false, "auto.offset.reset": "error", "log_level": 0})
	if err != nil {
		a.failed("consumer", err)
		return a
	}
	var all []kafka.TopicPartition
	for i := range int32(partitions) {
		all = append(all, kafka.TopicPartition{Topic: &topic, Partition: i, Offset: 0})
	}
	if err := consumer.Assign(all); err != nil {
		a.failed("assigning", err)
	}
	reading, enough := context.WithCancel(context.Background())
	var reader sync.WaitGroup
	reader.Go(func() {
		for reading.Err() == nil {
			switch e := consumer.Poll(50).(type) {
			case *kafka.Message:
				if e.TopicPartition.Error != nil {
					a.failed("reading", e.TopicPartition.Error)
					continue
				}
				a.got(e.TopicPartition.Partition, int64(e.TopicPartition.Offset), e.Value)
			case kafka.Error:
				if e.Code() != kafka.ErrTransport {
					a.failed("reading", e)
				}
			}
		}
		_ = consumer.Close()
	})
	go func() {
		for e := range producer.Events() {
			switch e := e.(type) {
			case *kafka.Message:
				a.acknowledged(e.TopicPartition.Error)
			case kafka.Error:
				if e.Code() != kafka.ErrTransport {
					a.failed("sending", e)
				}
			}
		}
	}()
	for sending.Err() == nil {
		n, value := a.number()
		if err := producer.Produce(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: int32(n % partitions)}, Value: value}, nil); err != nil {
			a.acknowledged(err)
		}
		time.Sleep(time.Millisecond)
	}
	for late := time.Now().Add(rollingTime); !a.complete() && time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
	}
	enough()
	reader.Wait()
	return a
}
