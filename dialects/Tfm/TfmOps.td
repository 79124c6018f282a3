// All ops of the tfm dialect.
include "dialects/Tfm/TfmElementwise.td"
include "dialects/Tfm/TfmReduction.td"
include "dialects/Tfm/TfmData.td"
include "dialects/Tfm/TfmTransformer.td"
