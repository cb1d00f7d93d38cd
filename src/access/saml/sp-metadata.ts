/** Our own metadata, which the administrator of an IdP loads there. SAML metadata 2.4.4. */
import { DATA_ALGORITHMS } from './decrypt-assertion.ts';
import { BINDING, NS } from './saml-names.ts';
import type { SpAddresses } from './sp-addresses.ts';

export interface SpMetadataInput {
  readonly addresses: SpAddresses;
  /** Base64 of DER. */
  readonly signingCertificates: readonly string[];
  readonly encryptionCertificates: readonly string[];
  readonly signsRequests: boolean;
  readonly wantsSignedAssertions: boolean;
}

/** The XML. */
export function spMetadata(input: SpMetadataInput): string {
  const { addresses, signsRequests, wantsSignedAssertions } = input;
  const keys = [
    ...input.signingCertificates.map((certificate) => keyDescriptor('signing', certificate)),
    ...input.encryptionCertificates.map((certificate) => keyDescriptor('encryption', certificate)),
  ];
  const logout = [BINDING.redirect, BINDING.post].map(
    (binding) =>
      `    <md:SingleLogoutService Binding="${binding}" Location="${escapeXml(addresses.logout)}"/>`,
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<md:EntityDescriptor xmlns:md="${NS.metadata}" xmlns:ds="${NS.signature}" entityID="${escapeXml(addresses.entityId)}">`,
    `  <md:SPSSODescriptor AuthnRequestsSigned="${signsRequests}" WantAssertionsSigned="${wantsSignedAssertions}" protocolSupportEnumeration="${NS.protocol}">`,
    ...keys,
    ...logout,
    `    <md:AssertionConsumerService Binding="${BINDING.post}" Location="${escapeXml(addresses.acs)}" index="0" isDefault="true"/>`,
    '  </md:SPSSODescriptor>',
    '</md:EntityDescriptor>',
    '',
  ].join('\n');
}

function keyDescriptor(use: 'signing' | 'encryption', certificate: string): string {
  const methods =
    use === 'signing'
      ? []
      : DATA_ALGORITHMS.map((name) => `<md:EncryptionMethod Algorithm="${name}"/>`);
  const info = `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`;
  return `    <md:KeyDescriptor use="${use}">${info}${methods.join('')}</md:KeyDescriptor>`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
