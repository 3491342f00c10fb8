package proto

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/record"
)

// aborts are the aborted transactions that a chunk may hold batches of. A broker gives them to those who read only what is committed.
type aborts struct {
	coming []kmsg.FetchResponseTopicPartitionAbortedTransaction // by first offset
	open   []record.ProducerID                                  // whose transaction has begun and will abort
}

func newAborts(list []kmsg.FetchResponseTopicPartitionAbortedTransaction) aborts {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int { // some brokers do not sort them
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
	return aborts{coming: list}
}

// skips reports whether a batch, the next one of the chunk, is of an aborted transaction. The marker that ends the transaction ends the skipping.
func (a *aborts) skips(b *record.Batch) bool {
	for len(a.coming) > 0 && record.Offset(a.coming[0].FirstOffset) <= b.NextOffset()-1 {
		a.open = append(a.open, record.ProducerID(a.coming[0].ProducerID))
		a.coming = a.coming[1:]
	}
	i := slices.Index(a.open, b.ProducerID)
	if i < 0 || b.Attributes&record.AttrTransactional == 0 {
		return false
	}
	if b.Control() {
		a.open = slices.Delete(a.open, i, i+1)
	}
	return true
}
