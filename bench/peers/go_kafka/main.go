// The program go_kafka is the bridge's work done with franz-go, the way its documentation shows:
// poll, ask the model of all records at once over pooled connections, produce the answers in the
// order of their requests, wait for the broker to have them, commit.
//
//	go_kafka BOOTSTRAP INPUT OUTPUT MODEL_URL ──▶ runs until it is stopped
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	requestType    = "seldon.simple-iris-deployment.request"
	responseType   = "seldon.simple-iris-deployment.response"
	responseSource = "seldon.simple-iris-deployment"

	inFlight = 512 // records taken and not committed: what a crash delivers again
	calls    = 64  // requests to the model at a time
)

// bridge asks one model.
type bridge struct {
	model  string
	output string
	client *http.Client
	slots  chan struct{}
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: go_kafka BOOTSTRAP INPUT OUTPUT MODEL_URL")
	}
	input := os.Args[2]
	kafka, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumerGroup(input+"-go"),
		kgo.ConsumeTopics(input),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0), // a whole poll is produced at once: waiting for more only costs
	)
	if err != nil {
		log.Fatal(err)
	}
	defer kafka.CloseAllowingRebalance()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = calls
	transport.MaxIdleConnsPerHost = calls // the default of 2 would open a connection a call
	b := &bridge{
		model:  strings.TrimSuffix(os.Args[4], "/") + "/api/v1.0/predictions",
		output: os.Args[3],
		client: &http.Client{Transport: transport},
		slots:  make(chan struct{}, calls),
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	for ctx.Err() == nil {
		if err := b.step(ctx, kafka); err != nil && ctx.Err() == nil {
			log.Fatal(err) // whatever is not committed is delivered again
		}
	}
}

// step takes some records to their end: polled, answered, produced, committed.
func (b *bridge) step(ctx context.Context, kafka *kgo.Client) error {
	defer kafka.AllowRebalance()
	fetches := kafka.PollRecords(ctx, inFlight)
	if err := fetches.Err(); err != nil {
		return err
	}
	records := fetches.Records()
	if len(records) == 0 {
		return nil
	}
	responses := make([]*kgo.Record, len(records))
	errs := make([]error, len(records))
	var all sync.WaitGroup
	for i, record := range records {
		b.slots <- struct{}{}
		all.Add(1)
		go func() {
			defer all.Done()
			responses[i], errs[i] = b.respond(ctx, record)
			<-b.slots
		}()
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	answered := responses[:0]
	for _, response := range responses {
		if response != nil {
			answered = append(answered, response)
		}
	}
	if err := kafka.ProduceSync(ctx, answered...).FirstErr(); err != nil {
		return err
	}
	return kafka.CommitRecords(ctx, records...)
}

// respond returns what the model says of a request event, nil for an event of another type.
func (b *bridge) respond(ctx context.Context, request *kgo.Record) (*kgo.Record, error) {
	var version, kind, requestID []byte
	for _, header := range request.Headers {
		switch header.Key {
		case "ce_specversion":
			version = header.Value
		case "ce_type":
			kind = header.Value
		case "ce_requestid":
			requestID = header.Value
		}
	}
	if string(kind) != requestType {
		return nil, nil
	}
	answer, err := b.predict(ctx, request.Value)
	if err != nil {
		return nil, err
	}
	return &kgo.Record{
		Topic: b.output,
		Key:   request.Key,
		Value: answer,
		Headers: []kgo.RecordHeader{
			{Key: "ce_specversion", Value: version},
			{Key: "ce_id", Value: []byte(uuid.NewString())},
			{Key: "ce_type", Value: []byte(responseType)},
			{Key: "ce_source", Value: []byte(responseSource)},
			{Key: "ce_requestid", Value: requestID},
			{Key: "content-type", Value: []byte("application/json")},
		},
	}, nil
}

// predict posts a payload to the model and returns its answer.
func (b *bridge) predict(ctx context.Context, payload []byte) ([]byte, error) {
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, b.model, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	call.Header.Set("Content-Type", "application/json")
	answer, err := b.client.Do(call)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the model answered %d", answer.StatusCode)
	}
	return body, nil
}
