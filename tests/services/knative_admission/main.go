// Builds a kustomization, as `kubectl apply -k` does, and asks Knative's own code whether a
// cluster would admit what comes out.
//
//	folder ──▶ kustomize ──▶ YAML on standard output
//	               └─▶ Knative's types: strict decoding, defaults, validation ──▶ standard error
//
// The settings are those that Knative Eventing v0.50.0 is released with (config/core/configmaps).
// Exit status: 0 admitted, 1 not built or not admitted.
package main

import (
	"context"
	"fmt"
	"os"

	"knative.dev/eventing/pkg/apis/config"
	eventing "knative.dev/eventing/pkg/apis/eventing/v1"
	"knative.dev/eventing/pkg/apis/feature"
	sources "knative.dev/eventing/pkg/apis/sources/v1"
	"knative.dev/pkg/apis"
	serving "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// admitted is what Knative's webhook does with an object.
type admitted interface {
	apis.Defaultable
	apis.Validatable
}

var kinds = map[string]func() admitted{
	"eventing.knative.dev/v1 Broker":     func() admitted { return &eventing.Broker{} },
	"eventing.knative.dev/v1 Trigger":    func() admitted { return &eventing.Trigger{} },
	"serving.knative.dev/v1 Service":     func() admitted { return &serving.Service{} },
	"sources.knative.dev/v1 SinkBinding": func() admitted { return &sources.SinkBinding{} },
}

// features is the ConfigMap config-features.
var features = map[string]string{
	"kreference-group":            "disabled",
	"delivery-retryafter":         "disabled",
	"delivery-timeout":            "enabled",
	"kreference-mapping":          "disabled",
	"transport-encryption":        "disabled",
	"eventtype-auto-create":       "disabled",
	"authentication-oidc":         "disabled",
	"default-authorization-mode":  "allow-same-namespace",
	"cross-namespace-event-links": "disabled",
	"new-apiserversource-filters": "disabled",
}

// brokers is the ConfigMap config-br-defaults.
var brokers = map[string]string{"default-br-config": `
clusterDefault:
  brokerClass: MTChannelBasedBroker
  apiVersion: v1
  kind: ConfigMap
  name: config-br-default-channel
  namespace: knative-eventing
`}

func main() {
	if len(os.Args) != 2 {
		fail("expected one argument, the folder of a kustomization")
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), os.Args[1])
	if err != nil {
		fail(err.Error())
	}
	text, err := built.AsYaml()
	if err != nil {
		fail(err.Error())
	}
	os.Stdout.Write(text)
	ctx, err := released()
	if err != nil {
		fail(err.Error())
	}
	status := 0
	for _, resource := range built.Resources() {
		newObject, known := kinds[resource.GetApiVersion()+" "+resource.GetKind()]
		if !known {
			continue
		}
		if resource.GetNamespace() == "" {
			resource.SetNamespace("default") // as the API server does before it asks
		}
		if err := admit(ctx, newObject(), resource.MustYaml()); err != nil {
			fmt.Fprintf(os.Stderr, "%s/%s: %v\n", resource.GetKind(), resource.GetName(), err)
			status = 1
		}
	}
	os.Exit(status)
}

// released returns a context with Knative's settings as they are released.
func released() (context.Context, error) {
	flags, err := feature.NewFlagsConfigFromMap(features)
	if err != nil {
		return nil, err
	}
	defaults, err := config.NewDefaultsConfigFromMap(brokers)
	if err != nil {
		return nil, err
	}
	ctx := feature.ToContext(apis.WithinCreate(context.Background()), flags)
	return config.ToContext(ctx, &config.Config{Defaults: defaults}), nil
}

func admit(ctx context.Context, object admitted, text string) error {
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		return err
	}
	object.SetDefaults(ctx)
	if problem := object.Validate(ctx); problem != nil {
		return problem
	}
	return nil
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
